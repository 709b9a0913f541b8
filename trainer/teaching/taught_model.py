"""A taught model: the bundle of a retrained head, a new version of the model that it is made from.

It has the same encoder and the same concepts. It has no promise: it writes what its rule allows,
and you prove its precision with an audit. The verdicts' pictures join the pictures by which the
model abstains, since it has learned from them. The limit stays.

If you teach a taught model, the refit starts from the first model in that line, which has seen none
of the verdicts.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine

from common.errors import ModelError, UsageError
from common.store.encoders import StoredEncoder, find_encoder
from common.vision.answers.familiar_pictures import FamiliarPictures, read_known
from common.vision.answers.heads import HeadEnsemble
from common.vision.answers.likeness import Likeness, most_references
from common.vision.bundle import Description
from common.vision.encoders.description import ENCODERS
from common.vision.model import Model
from common.vision.saved_model import load_bundle
from trainer.models.catalogue import find_model
from trainer.models.registry import put_in_service
from trainer.models.store import TAUGHT_FROM, VOCABULARY, Promoted, StoredModel, stored_models
from trainer.scoring.evidence import draw_references
from trainer.teaching.examples import TeachingExamples
from trainer.teaching.refit import TaughtHead

TESTED = (
    8  # pictures of the self-test; each costs two passes through the encoder, which has not changed
)


@dataclass(frozen=True, kw_only=True, eq=False)
class TeachableModel:
    """A model of one concept a picture, on an encoder, with what a refit needs of it."""

    stored: StoredModel
    model: Model
    encoder: StoredEncoder

    @property
    def description(self) -> Description:
        return self.model.description

    @property
    def heads(self) -> HeadEnsemble:
        assert self.model.answering.heads is not None  # it is on an encoder
        return self.model.answering.heads


def open_teachable(engine: Engine, model_dir: Path, model_id: int) -> TeachableModel:
    """The model that a refit starts from.

    Raises:
        UsageError: there is no model with that number, or the one that it was made from is gone.
        ModelError: it cannot be taught, or its files are missing or were changed.
    """
    stored = next((each for each in stored_models(engine) if each.id == model_id), None)
    if stored is None:
        raise UsageError(f"There is no model with number {model_id} in the store.")
    model = _load(model_dir, stored.path, stored.sha256)
    if origin := model.description.created_from.get(TAUGHT_FROM):
        stored = find_model(engine, str(origin))
        model = _load(model_dir, stored.path, stored.sha256)
    if stored.encoder is None or model.description.kind != "single":
        raise ModelError(
            f"{stored.title} cannot learn from verdicts. Only heads on an encoder can, if "
            "they give one concept per picture."
        )
    with engine.connect() as connection:
        encoder = find_encoder(connection, stored.encoder)
    return TeachableModel(stored=stored, model=model, encoder=encoder)


def save_taught(
    engine: Engine,
    model_dir: Path,
    base: TeachableModel,
    head: TaughtHead,
    examples: TeachingExamples,
    *,
    data_provider: str,
) -> Promoted:
    """Write the bundle of a taught head, and add it to the models as a candidate.

    The same head gives the same model again.

    Raises:
        ModelError: the bundle fails its self-test; then it is not saved.
        EnrichmentError: the disk is full or cannot be written to.
    """
    old = base.description
    description = replace(
        old,
        temperature=head.temperature,
        thresholds=dict.fromkeys(old.concept_uris, old.rule.floor),
        created_from=_origin(base, data_provider, examples),
        promise=None,
        likeness=None,
        least_likeness=None,
    )
    return put_in_service(
        engine,
        model_dir,
        description,
        [head.state],
        self_test=base.model.self_test_pictures[:TESTED],
        likeness=_joined(base.model.answering.likeness, examples),
        known=_known(model_dir / base.stored.path, old, examples),
        name=base.stored.name,
        active=False,
    )


@lru_cache(maxsize=1)  # a curator often teaches one model several times; its files never change
def _load(model_dir: Path, path: str, sha256: str) -> Model:
    return load_bundle(model_dir / path, sha256, encoders=model_dir / ENCODERS)


def _origin(base: TeachableModel, data_provider: str, examples: TeachingExamples) -> dict[str, Any]:
    origin = {"data": "", "dataset_fingerprint": ""}
    known = base.description.created_from
    kept = {name: known[name] for name in (*origin, VOCABULARY) if name in known}
    return (
        origin
        | kept
        | {
            TAUGHT_FROM: f"{base.stored.name}@{base.stored.version}",
            "data_provider": data_provider,
            "verdicts": examples.judged,
        }
    )


def _known(
    folder: Path, description: Description, examples: TeachingExamples
) -> FamiliarPictures | None:
    """Pictures that the old model knows, and the judged ones; None if the former are unknown."""
    known = read_known(folder, description)
    judged = FamiliarPictures.of(examples.records, (each.hex() for each in examples.pictures))
    return None if known is None else known.joined(judged)


def _joined(likeness: Likeness | None, examples: TeachingExamples) -> Likeness | None:
    """The judged pictures, up to the limit; old references fill the places that are left."""
    if likeness is None:
        return None
    most = most_references(examples.embeddings.shape[1])
    judged = draw_references(examples.embeddings[examples.old :], seed=0)
    room = most - len(judged)
    old = likeness.references
    if room < len(old):
        chosen = np.random.default_rng(0).choice(len(old), room, replace=False)
        old = old[np.sort(chosen)]
    return Likeness.of(np.concatenate([old, judged]), likeness.least)
