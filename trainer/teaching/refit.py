"""A refit: retrain the heads of a model on old labels and verdicts, and measure the gain.

The old model and the new heads are measured on verdicts that they did not learn from; the new heads
by a cross-validation, in which they learn from four fifths of the verdicts. The effect on other
providers is measured on the old labels of their records: heads with verdicts against heads without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

from common.errors import DatasetError
from common.vision.answers.heads import HeadEnsemble
from trainer.data.split import Division, Indices, make_divisions
from trainer.learning.head import Points
from trainer.learning.strength import FINAL, Learning, find_strength
from trainer.scoring.proof import interval
from trainer.teaching.examples import TaughtPictures, TeachingExamples
from trainer.teaching.lessons import (
    PARTS,
    SEED,
    Classroom,
    HeldOutPredictions,
    TaughtPart,
    choose_weight,
    divide_judged,
    one_hot,
)

CURVE = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)  # verdicts, up to the number that there is
MOST_CHANGED = 200  # changed predictions that a result names
MOST_FALL = 0.01  # of the macro F1 of other providers, if the model may serve all
_HOW = Learning(kind="single", class_weights="inverse")


@dataclass(frozen=True, kw_only=True)
class MeasuredAccuracy:
    """Of `tested` verdicts heads that learned from `verdicts` others predict `right` ones."""

    verdicts: int
    right: int
    tested: int

    def to_json(self) -> dict[str, Any]:
        bounds = interval(self.right, self.tested)
        return {
            "verdicts": self.verdicts,
            "tested": self.tested,
            "accuracy": round(self.right / self.tested, 4),
            "low": round(bounds.low, 4),
            "high": round(bounds.high, 4),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class RefitPredictions:
    """Positions of concepts (n,) of the judged examples: by the reviewers, the old model, and heads
    that learned from other verdicts.
    """

    labels: Indices
    before: Indices
    after: Indices

    def to_json(self, records: Sequence[str], concepts: Sequence[str]) -> dict[str, Any]:
        """The tested and right ones by concept, and the records whose prediction changed: those
        that are wrong now come first.
        """
        was_right, is_right = self.before == self.labels, self.after == self.labels
        changed = np.flatnonzero(self.before != self.after)
        changed = changed[np.argsort(is_right[changed], kind="stable")]
        return {
            "by_concept": [
                {
                    "concept": concepts[label],
                    "tested": int((own := self.labels == label).sum()),
                    "before": int(was_right[own].sum()),
                    "after": int(is_right[own].sum()),
                }
                for label in np.unique(self.labels)
            ],
            "changed_in_all": len(changed),
            "changed": [
                {
                    "record": records[row],
                    "concept": concepts[self.labels[row]],
                    "before": concepts[self.before[row]],
                    "after": concepts[self.after[row]],
                }
                for row in changed[:MOST_CHANGED]
            ],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class TaughtHead:
    """A head that learned from verdicts: `weight` (classes, dimension) and `bias` (classes,).

    `curve` has the accuracy by the number of verdicts learned from, at last four fifths of all.
    `before` is the accuracy of the old model. Both are counted from `predictions`. `others_before`
    and `others_after` are the macro F1 of other providers; None if the old labels have none.
    """

    state: dict[str, torch.Tensor]
    temperature: float
    strength: float
    weight: float
    before: MeasuredAccuracy
    predictions: RefitPredictions
    curve: tuple[MeasuredAccuracy, ...]
    others_before: float | None
    others_after: float | None

    @property
    def after(self) -> MeasuredAccuracy:
        """The accuracy of heads that learned from four fifths of the verdicts."""
        return self.curve[-1]

    @property
    def may_serve_all(self) -> bool:
        """Whether other providers lose so little that an operator may use it for all."""
        if self.others_before is None or self.others_after is None:
            return False
        return self.others_after >= self.others_before - MOST_FALL

    def to_json(self) -> dict[str, Any]:
        return {
            "old_weight": self.weight,
            "strength": self.strength,
            "temperature": round(self.temperature, 4),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "curve": [each.to_json() for each in (self.before, *self.curve)],
            "others_before": _rounded(self.others_before),
            "others_after": _rounded(self.others_after),
            "may_serve_all": self.may_serve_all,
        }


def result_of(
    pictures: TaughtPictures, head: TaughtHead, concepts: Sequence[str]
) -> dict[str, Any]:
    """The content of `refit.result`; `concepts` are the URIs of the model's concepts."""
    return {
        "verdicts": pictures.examples.judged,
        "disputed": pictures.disputed,
        "unlabelled": pictures.unlabelled,
        "unknown": pictures.unknown,
        "unseen": pictures.without_embedding,
        "old_labels": pictures.examples.old,
        **head.to_json(),
        **head.predictions.to_json(pictures.examples.records, concepts),
    }


def refit(examples: TeachingExamples, model: HeadEnsemble) -> TaughtHead:
    """Fit a head to old labels and verdicts, in place of a model's heads, and measure it.

    The model must have one concept a picture.

    Raises:
        DatasetError: all old labels, or all verdicts, are of the same picture.
    """
    compared = examples.some(examples.compared)
    groups = compared.groups()
    _check_pictures(groups, compared.old)
    points = Points.of(examples.embeddings)
    near = points.rows(examples.compared)
    divisions = _old_divisions(compared, groups)
    old = np.arange(compared.old)
    search = find_strength(near.rows(old), one_hot(compared)[: compared.old], divisions, _HOW)
    start = search.weights.mean(axis=0, keepdims=True)
    room = Classroom(examples=compared, points=near, strength=search.best.strength, start=start)
    parts = divide_judged(compared, groups)
    chosen = choose_weight(room, parts)
    whole = replace(room, examples=examples, points=points)
    lesson = whole.lesson(np.arange(examples.old), whole.judged, chosen.weight)
    (weights,) = whole.fit([lesson], close=FINAL)
    predicted = model.probabilities(examples.embeddings[whole.judged]).argmax(axis=1)
    labels = examples.labels[whole.judged]
    before = int((predicted == labels).sum())
    after = np.empty_like(predicted)
    after[np.concatenate([each.test for each in parts]) - compared.old] = (
        chosen.predictions.predicted
    )
    return TaughtHead(
        state=points.on_embeddings(weights),
        temperature=chosen.predictions.temperature,
        strength=room.strength,
        weight=chosen.weight,
        before=MeasuredAccuracy(verdicts=0, right=before, tested=examples.judged),
        predictions=RefitPredictions(labels=labels, before=predicted, after=after),
        curve=(*_curve(room, parts, chosen.weight), _measured(parts, chosen.predictions)),
        others_before=_macro_f1(compared, search.logits.argmax(dim=1).numpy()),
        others_after=_macro_f1(
            compared, _predicted_for_old(room, groups, divisions, chosen.weight)
        ),
    )


def _check_pictures(groups: Indices, old: int) -> None:
    for part, what in (
        (groups[:old], "the labels that the model learned from"),
        (groups[old:], "the verdicts"),
    ):
        if len(np.unique(part)) < 2:
            raise DatasetError(
                f"All of {what} are about almost the same picture. So the model cannot be "
                "tested on other pictures. Judge different pictures."
            )


def _old_divisions(compared: TeachingExamples, groups: Indices) -> list[Division]:
    old = groups[: compared.old]
    targets = np.eye(compared.classes, dtype=np.bool_)[compared.labels[: compared.old]]
    return make_divisions(targets, old, parts=min(PARTS, len(np.unique(old))), seed=[SEED])


def _curve(
    room: Classroom, parts: Sequence[TaughtPart], weight: float
) -> Iterator[MeasuredAccuracy]:
    """The accuracies of heads that learned only from the first verdicts of each part."""
    most = min(len(each.judged) for each in parts)
    counts = [count for count in CURVE if count < most]
    ways = [
        [room.lesson(each.old, each.judged[:count], weight) for each in parts] for count in counts
    ]
    for count, predictions in zip(counts, room.held_out(parts, ways) if ways else [], strict=True):
        right = int(predictions.is_right.sum())
        yield MeasuredAccuracy(verdicts=count, right=right, tested=len(predictions.labels))


def _measured(parts: Sequence[TaughtPart], predictions: HeldOutPredictions) -> MeasuredAccuracy:
    taught = round(sum(len(each.judged) for each in parts) / len(parts))
    right = int(predictions.is_right.sum())
    return MeasuredAccuracy(verdicts=taught, right=right, tested=len(predictions.labels))


def _predicted_for_old(
    room: Classroom, groups: Indices, divisions: Sequence[Division], weight: float
) -> Indices:
    """The predictions for the old examples, each by a head that also learned from verdicts."""
    old = room.examples.old
    lessons = []
    for each in divisions:
        apart = room.judged[~np.isin(groups[old:], groups[each.test])]
        lessons.append(room.lesson(each.rest, apart, weight))
    heads = room.fit(lessons)
    predicted = np.empty(old, dtype=np.int64)
    for each, head in zip(divisions, heads, strict=True):
        logits = room.points.rows(each.test).logits(head[np.newaxis])
        predicted[each.test] = logits[:, 0].argmax(dim=1).numpy()
    return predicted


def _macro_f1(compared: TeachingExamples, predicted: Indices) -> float | None:
    """For the old examples of other data providers; None if there are none."""
    if not compared.other_providers.any():
        return None
    true = compared.labels[: compared.old][compared.other_providers]
    found = f1_score(
        true,
        predicted[compared.other_providers],
        labels=np.unique(true),
        average="macro",
        zero_division=0.0,
    )
    return float(found)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
