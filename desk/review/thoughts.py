"""Predictions for records without an enrichment, computed from saved embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, text

from common.store.embeddings import Vector, kept_vectors
from desk.review.neighbours import seen_picture

if TYPE_CHECKING:
    from common.vision.answers.answering import Answering
    from desk.review.shown_models import LoadedHeads, ShownModel

MOST_PROBABLE = 5  # one for each digit key

_PICTURES = text(f"""
    SELECT asked.record_id, picture.sha256
    FROM unnest(CAST(:record_ids AS text[])) AS asked(record_id)
    CROSS JOIN {seen_picture("asked.record_id")}
""")


@dataclass(frozen=True, kw_only=True)
class Thought:
    """The most probable concepts of a record with their probabilities, the highest first.

    `is_written` is whether the model would write the first one, `is_unlike` whether the picture is
    too different from the training pictures.
    """

    probable: dict[str, float]
    is_written: bool
    is_unlike: bool

    @property
    def concept(self) -> str:
        return next(iter(self.probable))

    @property
    def confidence(self) -> float:
        return self.probable[self.concept]


def embeddings_of(
    connection: Connection, encoder_id: int, record_ids: Sequence[str]
) -> dict[str, Vector]:
    """The embedding of the latest picture of each record, if it is saved."""
    asked = {"encoder_id": encoder_id, "record_ids": list(record_ids)}
    rows = connection.execute(_PICTURES, asked)
    pictures = {row.record_id: bytes(row.sha256) for row in rows}
    vectors = kept_vectors(connection, encoder_id, set(pictures.values()))
    return {record: vectors[sha] for record, sha in pictures.items() if sha in vectors}


def thoughts_of(answering: "Answering", embeddings: Mapping[str, Vector]) -> dict[str, Thought]:
    if not embeddings:
        return {}
    answers = answering.answers(np.stack(list(embeddings.values())))
    uris = answering.description.concept_uris
    best = (-answers.probabilities).argsort(axis=1, kind="stable")[:, :MOST_PROBABLE].tolist()
    found = zip(embeddings, answers, best, strict=True)
    return {
        record_id: Thought(
            probable={uris[column]: float(answer.probabilities[column]) for column in columns},
            is_written=bool(answer.written[columns[0]]),
            is_unlike=answer.is_unlike,
        )
        for record_id, answer, columns in found
    }


def thoughts_of_records(
    connection: Connection,
    loaded: "LoadedHeads",
    model: "ShownModel",
    record_ids: Sequence[str],
) -> dict[str, Thought]:
    """As `thoughts_of`, but for record IDs. Empty for a model that is a whole network.

    Raises:
        ModelError: the model's bundle is missing or was changed.
    """
    if model.encoder_id is None:
        return {}
    embeddings = embeddings_of(connection, model.encoder_id, record_ids)
    return thoughts_of(loaded.of(model), embeddings)
