"""Verdicts that are simulated from a museum's labels, through the desk's and the teacher's own
functions, and how well heads do that were taught by them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np
from sqlalchemy import Connection

from benchmarks.parts.museums import MuseumStore, UnseenMuseum
from common.store.tables import VerdictKind
from common.vision.answers.answering import Answering
from common.vision.answers.heads import Head, HeadEnsemble
from desk.review.verdicts import NewVerdict, judge
from trainer.teaching.examples import read_examples
from trainer.teaching.refit import refit

COUNTS = (50, 100)  # verdicts after which heads are taught
REVIEWER = 1  # the number of the only account


@dataclass(frozen=True, kw_only=True)
class TaughtAccuracy:
    """Which records (n,) a head that was taught tells right, and which were judged (n,)."""

    right: np.ndarray[Any, np.dtype[np.bool_]]
    judged: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def on_others(self) -> float:
        return float(self.right[~self.judged].mean())


def say(connection: Connection, museum: UnseenMuseum, record_ids: Sequence[str]) -> None:
    """Judge records as a reviewer who knows the catalogue."""
    row_of = {record_id: row for row, record_id in enumerate(museum.records)}
    rows = [row_of[record_id] for record_id in record_ids]
    said = museum.base.heads.probabilities(museum.embeddings[rows]).argmax(axis=1)
    verdicts = []
    for record_id, row, told in zip(record_ids, rows, said.tolist(), strict=True):
        shown, suggested = museum.uris[museum.labels[row]], museum.uris[told]
        is_right = shown == suggested
        verdicts.append(
            NewVerdict(
                id=uuid4(),
                record_id=record_id,
                concept=suggested,
                said=VerdictKind.RIGHT if is_right else VerdictKind.WRONG,
                instead=None if is_right else shown,
                model_id=museum.base.stored.id,
            )
        )
    judge(connection, REVIEWER, verdicts)


def taught(connection: Connection, place: MuseumStore, museum: UnseenMuseum) -> Answering:
    """The model that the teacher would make of the verdicts so far."""
    pictures = read_examples(
        connection, museum.base.description, place.encoder.id, data_provider=museum.name
    )
    head = refit(pictures.examples, museum.base.heads)
    weights = Head.rounded(head.state["weight"].numpy(), head.state["bias"].numpy())
    heads = HeadEnsemble((weights,), "single", head.temperature)
    return replace(museum.base.model.answering, heads=heads)


def draw(place: MuseumStore, museum: UnseenMuseum, seed: int) -> dict[int, TaughtAccuracy]:
    """Judge and teach, and forget all of it; the accuracies by the number of verdicts."""
    found = {}
    order: list[str] = np.random.default_rng(seed).permutation(museum.records).tolist()
    done = 0
    with place.engine.connect() as connection:
        for count in COUNTS:
            say(connection, museum, order[done:count])
            done = count
            answering = taught(connection, place, museum)
            assert answering.heads is not None
            said = answering.heads.probabilities(museum.embeddings).argmax(axis=1)
            found[count] = TaughtAccuracy(
                right=said == museum.labels, judged=np.isin(museum.records, order[:count])
            )
        connection.rollback()
    return found
