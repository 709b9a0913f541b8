"""Museums of ../shared in a store, with embeddings and labels, and for each a model of the others.

For each museum a dataset has the records of the others. Heads learn from it as in `trainer train`
and `trainer promote`.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, text

from benchmarks.parts.desk_service import PASSWORD, REVIEWER
from benchmarks.parts.photographs import (
    CONCEPT,
    MUSEUM,
    NETWORK,
    WEIGHTS,
    promote_heads,
    train_heads,
)
from benchmarks.parts.services import store_and_broker
from common.store.bulk import copy_rows
from common.store.embeddings import Seen, kept_vectors, save_seen
from common.store.encoders import StoredEncoder
from common.store.tables import PictureSource, Role
from common.vision.answers.heads import Embeddings
from desk.access.accounts import add_account
from trainer.data.embedded import embed
from trainer.data.split import Indices
from trainer.data.store_dataset import dataset_data
from trainer.models.catalogue import find_model
from trainer.models.encoders import add_encoder, of_library
from trainer.models.proposal import Terms
from trainer.teaching.taught_model import TeachableModel, open_teachable

FOLDS = 3
URL = "https://museum.example{}.jpg"
_SEEN_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, eq=False)
class UnseenMuseum:
    """A museum: its records, their embeddings (n, dimension) and labels (n,), and a model that has
    learned from the others.
    """

    name: str
    records: tuple[str, ...]
    embeddings: Embeddings
    labels: Indices
    base: TeachableModel

    @property
    def uris(self) -> tuple[str, ...]:
        return self.base.description.concept_uris


@dataclass(frozen=True, kw_only=True, eq=False)
class MuseumStore:
    engine: Engine
    model_dir: Path
    encoder: StoredEncoder
    museums: tuple[UnseenMuseum, ...]


@contextmanager
def museum_store(folder: Path) -> Iterator[MuseumStore]:
    """Run a store with the museums, and a broker, during the block."""
    with store_and_broker() as engine:
        items = [json.loads(line) for line in _lines()]
        names = sorted({str(item["dataProvider"]) for item in items})
        model_dir = folder / "models"
        encoder, _ = add_encoder(engine, model_dir, "mobilenet", of_library(NETWORK, WEIGHTS, None))
        add_account(engine, REVIEWER.format(1), role=Role.REVIEWER, password=PASSWORD, subject=None)
        _fill(engine, items, names)
        bases = [_trained(engine, encoder, folder, number) for number, _ in enumerate(names)]
        museums = [
            _museum(engine, encoder, base, name, items)
            for base, name in zip(bases, names, strict=True)
        ]
        yield MuseumStore(
            engine=engine, model_dir=model_dir, encoder=encoder, museums=tuple(museums)
        )


def add_seen(engine: Engine, pictures: dict[str, bytes]) -> None:
    """Record which pictures of records the encoder has seen, by the sha256 of their bytes."""
    seen = [
        Seen(
            record_id=record_id,
            source=PictureSource.MEDIA,
            url=URL.format(record_id),
            sha256=picture,
            seen_at=_SEEN_AT,
        )
        for record_id, picture in pictures.items()
    ]
    with engine.begin() as connection:
        save_seen(connection, seen)


def picture_of(item: dict[str, Any]) -> bytes:
    """The sha256 of the picture of an item of the catalogue."""
    return hashlib.sha256((MUSEUM / item["image"]).read_bytes()).digest()


def _lines() -> list[str]:
    return (MUSEUM / "catalog.jsonl").read_text(encoding="utf-8").splitlines()


def _fill(engine: Engine, items: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Add concepts, records, stored pictures, and for each museum a dataset of the others."""
    labels = sorted({item["category"] for item in items})
    uri_of = {label: CONCEPT.format(number) for number, label in enumerate(labels)}
    pictures = {item["id"]: picture_of(item) for item in items}
    with engine.begin() as connection:
        copy_rows(connection, "concept", ("label", "uri"), uri_of.items())
        rows = ((i["id"], str(i["dataProvider"]), URL.format(i["id"])) for i in items)
        copy_rows(connection, "record", ("id", "data_provider", "media_url"), rows)
        described = ("record_id", "state", "sha256", "path", "width", "height", "source")
        files = (
            (i["id"], "stored", pictures[i["id"]].hex(), i["image"], 224, 224, "media")
            for i in items
        )
        copy_rows(connection, "image", described, files)
        for number, name in enumerate(names):
            dataset = "INSERT INTO dataset (name) VALUES (:name) RETURNING id"
            made = connection.execute(text(dataset), {"name": _dataset(number)}).scalar_one()
            others = (
                (made, i["id"], uri_of[i["category"]], "csv")
                for i in items
                if str(i["dataProvider"]) != name
            )
            labelled = ("dataset_id", "record_id", "concept_uri", "source")
            copy_rows(connection, "dataset_item", labelled, others)
    add_seen(engine, pictures)


def _dataset(number: int) -> str:
    return f"without_{number}"


def _trained(engine: Engine, encoder: StoredEncoder, folder: Path, number: int) -> TeachableModel:
    """Heads that learned from a dataset, promoted as an ensemble."""
    data = dataset_data(engine, _dataset(number), MUSEUM)
    ready = embed(data, encoder, engine, folder / "models")
    groups = np.arange(len(data.examples), dtype=np.int64)
    experiment = train_heads(folder, encoder, ready, groups, _dataset(number), folds=FOLDS)
    made = promote_heads(engine, folder / "models", experiment, Terms(precision=0.5))
    model = find_model(engine, made.title)
    return open_teachable(engine, folder / "models", model.id)


def _museum(
    engine: Engine,
    encoder: StoredEncoder,
    base: TeachableModel,
    name: str,
    items: Sequence[dict[str, Any]],
) -> UnseenMuseum:
    own = [item for item in items if str(item["dataProvider"]) == name]
    pictures = [picture_of(item) for item in own]
    with engine.connect() as connection:
        vectors = kept_vectors(connection, encoder.id, set(pictures))
    seen = [number for number, picture in enumerate(pictures) if picture in vectors]
    labels = base.description.labels
    return UnseenMuseum(
        name=name,
        records=tuple(own[number]["id"] for number in seen),
        embeddings=np.stack([vectors[pictures[number]] for number in seen]),
        labels=np.array([labels.index(own[number]["category"]) for number in seen]),
        base=base,
    )
