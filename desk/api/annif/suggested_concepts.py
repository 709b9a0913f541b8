"""What is answered of each concept: its score, whether a worker would write it, and the promise.

The score is the model's confidence. What decides for workers decides here: the model's rule and
thresholds, its likeness, and the decisions that block concepts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sqlalchemy import Connection, text

from common.store.tables.vocabularies import label_sql
from common.vision.answers.answering import PictureAnswer
from common.vision.answers.blocked import Blocks
from common.vision.answers.promise import Promise
from common.vision.answers.provider_names import provider_name
from common.vision.bundle import Description

WhyNotWritten = Literal["below_threshold", "less_probable", "off", "unlike", "blocked"]
"""Why a worker would not write a concept:

- `below_threshold`: the model is not sure enough of it.
- `less_probable`: the model writes one concept at most, and another one is more probable.
- `off`: the concept has no threshold, since its precision is not proved.
- `unlike`: the picture is too different from the training pictures.
- `blocked`: a decision at the desk blocks the concept, for all or for this data provider.
"""

_TEXTS = text(f"""
    SELECT asked.uri, {label_sql("CAST(:vocabulary_id AS int)", "asked.uri")} AS label,
           named.notation
    FROM unnest(CAST(:uris AS text[])) AS asked(uri)
    LEFT JOIN vocabulary_concept AS named
         ON named.vocabulary_id = :vocabulary_id AND named.concept_uri = asked.uri
""")


@dataclass(frozen=True, kw_only=True)
class PromisedShare:
    """Of the pictures that get this concept, at least `precision` show it, at `confidence`."""

    precision: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class ConceptScore:
    """A concept and its score, 0 to 1. `reason` says why it would not be written.

    `promise` is there if it would be written and the model's promise holds for the record.
    """

    uri: str
    score: float
    reason: WhyNotWritten | None
    promise: PromisedShare | None


@dataclass(frozen=True, kw_only=True)
class ConceptTexts:
    label: str
    notation: str | None


def scores_of(
    description: Description,
    answer: PictureAnswer,
    *,
    blocks: Blocks,
    data_provider: str,
    limit: int,
    threshold: float,
) -> list[ConceptScore]:
    """The most probable concepts of a picture, the highest score first.

    Args:
        data_provider: that of the picture's record; empty if it is unknown.
        limit: how many at most.
        threshold: the least score.
    """
    probabilities = answer.probabilities
    best = (-probabilities).argsort(kind="stable")[:limit].tolist()
    candidates = description.rule.candidates(probabilities[np.newaxis])[0]
    promised = _promised(description.promise, data_provider)
    found = []
    for column in best:
        uri, score = description.concept_uris[column], float(probabilities[column])
        if score < threshold:
            break
        reason = _why_not(description, answer, column, is_candidate=bool(candidates[column]))
        if reason is None and blocks.block(uri, data_provider):
            reason = "blocked"
        promise = promised if reason is None else None
        found.append(ConceptScore(uri=uri, score=score, reason=reason, promise=promise))
    return found


def _why_not(
    description: Description, answer: PictureAnswer, column: int, *, is_candidate: bool
) -> WhyNotWritten | None:
    if answer.written[column]:
        return None
    if answer.is_unlike:
        return "unlike"
    if description.thresholds[description.concept_uris[column]] is None:
        return "off"
    reaches_floor = answer.probabilities[column] >= np.float32(description.rule.floor)
    return "less_probable" if reaches_floor and not is_candidate else "below_threshold"


def _promised(promise: Promise | None, data_provider: str) -> PromisedShare | None:
    """The promise, if it holds for records of this provider; one that names none holds for all."""
    if promise is None:
        return None
    if promise.providers and provider_name(data_provider) not in promise.providers:
        return None
    return PromisedShare(precision=promise.precision, confidence=promise.confidence)


def texts_of(
    connection: Connection,
    vocabulary_id: int | None,
    uris: Collection[str],
    *,
    languages: Sequence[str],
) -> Mapping[str, ConceptTexts]:
    """Labels in the first language that has one, as the desk shows them, and notations."""
    asked = {"vocabulary_id": vocabulary_id, "uris": list(uris), "languages": list(languages)}
    rows = connection.execute(_TEXTS, asked)
    return {
        row.uri: ConceptTexts(label=row.label or row.uri, notation=row.notation) for row in rows
    }
