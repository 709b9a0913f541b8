"""What a model thinks of records of which it wrote nothing, from the embeddings that are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, text

from common.store.embeddings import Vector, kept_vectors
from desk.review.seen_pictures import seen_picture

if TYPE_CHECKING:
    from common.vision.answers.answering import Answering

_PICTURES = text(f"""
    SELECT asked.record_id, picture.sha256
    FROM unnest(CAST(:record_ids AS text[])) AS asked(record_id)
    CROSS JOIN {seen_picture("asked.record_id")}
""")


@dataclass(frozen=True, kw_only=True)
class Thought:
    """The most probable concept of a record, whether it would be written, and whether the picture
    is unlike all that the model learned from."""

    concept: str
    confidence: float
    is_written: bool
    is_unlike: bool


def embeddings_of(
    connection: Connection, encoder_id: int, record_ids: Sequence[str]
) -> dict[str, Vector]:
    """The embedding of the picture that was seen last of each record, as far as it is kept."""
    asked = {"encoder_id": encoder_id, "record_ids": list(record_ids)}
    rows = connection.execute(_PICTURES, asked)
    pictures = {row.record_id: bytes(row.sha256) for row in rows}
    vectors = kept_vectors(connection, encoder_id, set(pictures.values()))
    return {record: vectors[sha] for record, sha in pictures.items() if sha in vectors}


def thoughts_of(answering: "Answering", embeddings: Mapping[str, Vector]) -> dict[str, Thought]:
    """What a model on an encoder thinks of records, by their embeddings."""
    if not embeddings:
        return {}
    answers = answering.answers(np.stack(list(embeddings.values())))
    uris = answering.description.concept_uris
    best = answers.probabilities.argmax(axis=1).tolist()
    found = zip(embeddings, answers, best, strict=True)
    return {
        record_id: Thought(
            concept=uris[column],
            confidence=float(answer.probabilities[column]),
            is_written=bool(answer.written[column]),
            is_unlike=answer.is_unlike,
        )
        for record_id, answer, column in found
    }
