"""The embeddings of training pictures: saved ones are read from the store, others are computed.

Computed embeddings are saved at once, some hundred pictures at a time. So a killed command
continues where it stopped, and the next training on the same pictures computes none.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from common.errors import DatasetError, ModelError
from common.pictures.decoders import Decoders
from common.process.settings import ModelSettings
from common.process.terminal.console import SafeConsole
from common.process.terminal.progress import progress
from common.store.embeddings import Vector, is_kept_meanwhile, keep_vectors, kept_vectors
from common.store.encoders import StoredEncoder, find_encoder
from common.store.session import open_store
from common.vision.answers.heads import Embeddings, halved
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import Encoder, load_encoder
from common.vision.preprocessing import Preprocessing
from common.vision.runtimes import Runtime, RuntimeChoice, fastest_runtime
from common.vision.runtimes.choice import EXPORTS
from trainer.data.cache import cached, pixels_of, without_unreadable
from trainer.data.dataset import READERS, Example, TrainingData
from trainer.data.device import own_device
from trainer.data.near_duplicates import (
    HASHED_SIZE,
    grouped,
    pairs_by_embedding,
    pairs_by_hash,
)
from trainer.data.split import Indices
from trainer.settings import TrainingSettings

KEPT_AT_A_TIME = 256  # pictures in a transaction; a killed command loses at most these
EXPORT_PAYS = 5_000  # with more pictures, exporting the encoder to a faster runtime saves time
NO_EMBEDDING = "the encoder cannot make an embedding of it"
COLLISIONS = 3  # with other processes, in a row
_ASKED_AT_A_TIME = 10_000  # pictures per query


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedData:
    """The readable part of the data, and the embeddings of its examples, (n, dimension).

    The encoder is there to explain pictures by heatmaps.
    """

    data: TrainingData
    embeddings: Embeddings
    encoder: Encoder | None = None


def embedded(data: TrainingData, settings: TrainingSettings) -> EmbeddedData:
    """The data with the embeddings of its pictures, by the encoder of the settings.

    Raises:
        UsageError: there is no such encoder, or DATABASE_URL is missing.
        ModelError: the encoder's files are damaged, or the training began with another encoder.
        DatasetError: no picture can be read.
        StoreError: the store cannot be reached.
    """
    engine = open_store()
    try:
        with engine.connect() as connection:
            stored = find_encoder(connection, settings.encoder)
        if stored.sha256 != settings.encoder_sha256:
            raise ModelError(
                f"The training began with another encoder than the present {stored.name}. "
                "Choose another --experiment-name."
            )
        model_dir = ModelSettings.read().model_dir
        ready = embed(data, stored, engine, model_dir)
        return replace(ready, encoder=load_encoder(model_dir / ENCODERS, stored.sha256))
    finally:
        engine.dispose()


def pinned(settings: TrainingSettings) -> TrainingSettings:
    """The settings with identity and licence of their encoder, if they name one.

    Raises:
        UsageError: there is no such encoder, or DATABASE_URL is missing.
        StoreError: the store cannot be reached.
    """
    if not settings.encoder:
        return settings
    engine = open_store()
    try:
        with engine.connect() as connection:
            stored = find_encoder(connection, settings.encoder)
    finally:
        engine.dispose()
    return settings.changed(encoder_sha256=stored.sha256, encoder_licence=stored.licence)


def embed(
    data: TrainingData, stored: StoredEncoder, engine: Engine, model_dir: Path
) -> EmbeddedData:
    vectors = _kept(engine, stored, data.examples)
    missing = {each.sha256: each for each in data.examples if _picture(each) not in vectors}
    unreadable: dict[str, str] = {}
    if missing:
        encoder = load_encoder(model_dir / ENCODERS, stored.sha256)
        runtime = _runtime(encoder, len(missing), model_dir)
        for found, reasons in _computed(list(missing.values()), encoder, runtime):
            vectors |= found | _keep(engine, stored, found)
            unreadable |= reasons
    return _together(data, vectors, unreadable)


def _picture(example: Example) -> bytes:
    return bytes.fromhex(example.sha256)


def _kept(
    engine: Engine, stored: StoredEncoder, examples: Sequence[Example]
) -> dict[bytes, Vector]:
    found: dict[bytes, Vector] = {}
    with engine.connect() as connection:
        pictures = sorted({_picture(each) for each in examples})
        for start in range(0, len(pictures), _ASKED_AT_A_TIME):
            some = pictures[start : start + _ASKED_AT_A_TIME]
            found |= kept_vectors(connection, stored.id, some)
    return found


def _keep(
    engine: Engine, stored: StoredEncoder, vectors: dict[bytes, Vector]
) -> dict[bytes, Vector]:
    """Save vectors. Returns those that another process saved first: their last bits may differ."""

    def keep() -> dict[bytes, Vector]:
        with engine.begin() as connection:
            return keep_vectors(connection, stored.id, vectors)

    for _ in range(COLLISIONS):
        try:
            return keep()
        except IntegrityError as error:
            if not is_kept_meanwhile(error):
                raise
    return keep()


def _runtime(encoder: Encoder, pictures: int, model_dir: Path) -> Runtime:
    choice: RuntimeChoice = "torch" if pictures < EXPORT_PAYS else "auto"
    return fastest_runtime(
        encoder.served, choice, cache_dir=model_dir / EXPORTS, device=own_device()
    )


def _computed(
    examples: Sequence[Example], encoder: Encoder, runtime: Runtime
) -> Iterator[tuple[dict[bytes, Vector], dict[str, str]]]:
    """Embeddings by the sha256 of the picture, and reasons by the same sha256 in hexadecimal."""
    preprocessing = encoder.description.preprocessing
    with (
        progress("Embedding pictures", len(examples)) as report,
        Decoders() as decoders,
        ThreadPoolExecutor(READERS) as readers,
        ThreadPoolExecutor(runtime.streams) as streams,
    ):
        read = partial(pixels_of, preprocessing=preprocessing, decoders=decoders, unchanged=True)
        for start in range(0, len(examples), KEPT_AT_A_TIME):
            some = examples[start : start + KEPT_AT_A_TIME]
            pictures = dict(zip(some, readers.map(read, some), strict=True))
            readable = {
                e: found for e, found in pictures.items() if isinstance(found, torch.Tensor)
            }
            vectors = _vectors(readable, runtime, streams)
            reasons = {e.sha256: found for e, found in pictures.items() if isinstance(found, str)}
            silent = {e.sha256: NO_EMBEDDING for e in readable if _picture(e) not in vectors}
            yield vectors, reasons | silent
            report.advance(len(some))


def _vectors(
    pictures: dict[Example, torch.Tensor], runtime: Runtime, streams: ThreadPoolExecutor
) -> dict[bytes, Vector]:
    if not pictures:
        return {}
    batches = torch.split(torch.stack(list(pictures.values())), runtime.batch_size)
    rows = np.concatenate(list(streams.map(runtime.rows, batches)))
    usable = np.isfinite(rows).all(axis=1) & rows.any(axis=1)
    examples = [example for example, is_usable in zip(pictures, usable, strict=True) if is_usable]
    found = zip(examples, halved(rows[usable]), strict=True)
    return {_picture(example): row for example, row in found}


def _together(
    data: TrainingData, vectors: dict[bytes, Vector], unreadable: dict[str, str]
) -> EmbeddedData:
    reasons = {
        each.key: unreadable[each.sha256] for each in data.examples if each.sha256 in unreadable
    }
    readable = without_unreadable(data, reasons)
    if not readable.examples:
        reason = max(reasons.values())
        raise DatasetError(f"No picture of {data.source} can be read: {reason}.")
    rows = np.stack([vectors[_picture(each)] for each in readable.examples])
    return EmbeddedData(data=readable, embeddings=rows)


def group_embedded(ready: EmbeddedData, cache_folder: Path, console: SafeConsole) -> Indices:
    """The group (n,) of near-duplicates of each example, by embeddings and by small pictures.

    Raises:
        DatasetError, EnrichmentError: as `cached`.
    """
    small = cached(ready.data, Preprocessing(size=HASHED_SIZE), cache_folder)
    row_of = {example.key: row for row, example in enumerate(ready.data.examples)}
    rows = np.array([row_of[example.key] for example in small.data.examples], dtype=np.int64)
    hashed, alike = rows[pairs_by_hash(small.pictures)], pairs_by_embedding(ready.embeddings)
    if alike is None:
        console.print(
            "  This encoder gives similar embeddings to different pictures. So "
            "near-duplicates are found only by their hash.",
            soft_wrap=True,
        )
        return grouped(hashed, len(row_of))
    return grouped(np.concatenate([hashed, alike]), len(row_of))
