"""Verdicts simulated from a museum's labels, through the functions of the desk and the teacher, and
the accuracy of heads that learn from them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np
from sqlalchemy import Connection, text

from benchmarks.parts.museums import MuseumStore, UnseenMuseum
from common.store.tables import VerdictKind
from common.vision.answers.answering import Answering
from common.vision.answers.heads import Head, HeadEnsemble
from desk.review.next_to_judge import next_to_judge
from desk.review.verdicts import NewVerdict, judge
from desk.web.cards import AT_A_TIME
from trainer.teaching.examples import read_examples
from trainer.teaching.refit import refit

COUNTS = (50, 100)  # verdicts after which heads are retrained
SHOWN = 0.9  # of a museum's records, so that the choices of draws differ
REVIEWER = 1  # the number of the only account
_HIDE = text("DELETE FROM picture_seen WHERE record_id = ANY(CAST(:hidden AS text[]))")


@dataclass(frozen=True, kw_only=True)
class TaughtAccuracy:
    """Which records (n,) a retrained head predicts right, and which were judged (n,)."""

    right: np.ndarray[Any, np.dtype[np.bool_]]
    judged: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def on_others(self) -> float:
        return float(self.right[~self.judged].mean())

    def beyond(self, other: "TaughtAccuracy") -> float:
        """The difference to another accuracy, on the records that neither has judged."""
        both = ~(self.judged | other.judged)
        return float(self.right[both].mean() - other.right[both].mean())


TaughtAccuracies = dict[int, TaughtAccuracy]
"""By the number of verdicts."""
Choose = Callable[[Connection, int], list[str]]
"""The IDs of the next records to judge, after a number of verdicts."""


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
    """The model that the teacher would make from the verdicts so far."""
    pictures = read_examples(
        connection, museum.base.description, place.encoder.id, data_provider=museum.name
    )
    head = refit(pictures.examples, museum.base.heads)
    weights = Head.rounded(head.state["weight"].numpy(), head.state["bias"].numpy())
    heads = HeadEnsemble((weights,), "single", head.temperature)
    return replace(museum.base.model.answering, heads=heads)


def draw(place: MuseumStore, museum: UnseenMuseum, seed: int) -> dict[str, TaughtAccuracies]:
    """Judge records that the desk chooses, and random ones, retrain, and roll everything back.

    Both choose among the same records, a random draw by the seed.
    """
    order: list[str] = np.random.default_rng(seed).permutation(museum.records).tolist()
    shown = round(SHOWN * len(order))

    def chosen(connection: Connection, _done: int) -> list[str]:
        connection.execute(_HIDE, {"hidden": order[shown:]})
        return next_to_judge(
            connection, place.encoder.id, data_provider=museum.name, count=AT_A_TIME
        )

    def at_random(_connection: Connection, done: int) -> list[str]:
        return order[done : done + AT_A_TIME]

    return {
        "chosen": _taught_by(place, museum, chosen),
        "random": _taught_by(place, museum, at_random),
    }


def _taught_by(place: MuseumStore, museum: UnseenMuseum, choose: Choose) -> TaughtAccuracies:
    found = {}
    judged: list[str] = []
    with place.engine.connect() as connection:
        for count in COUNTS:
            while len(judged) < count:
                chosen = choose(connection, len(judged))
                say(connection, museum, chosen)
                judged += chosen
            answering = taught(connection, place, museum)
            assert answering.heads is not None
            said = answering.heads.probabilities(museum.embeddings).argmax(axis=1)
            found[count] = TaughtAccuracy(
                right=said == museum.labels, judged=np.isin(museum.records, judged)
            )
        connection.rollback()
    return found
