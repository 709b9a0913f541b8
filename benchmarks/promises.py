"""Promises: whether a promoted model keeps its word on photographs that were set aside.

    python -m benchmarks.promises

It needs ../shared, which is not part of the repository.

Elements: an eighth is set aside, near-duplicates together. Five folds of heads on the embeddings of
a MobileNetV2 learn from the rest and are promoted as an ensemble at a precision of 0.9, with three
seeds. A promise is broken if the exact test rules it out at 1 %.

Museum: abstention, thresholds ignored. Heads learn from two museums; how many photographs of the
third are accepted, and how many of the elements are unlike? And the same with the elements.

The procedures of `benchmarks.thresholds` choose thresholds for the same heads on both.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.parts.photographs import Photographs, Studio, missing, studio
from benchmarks.parts.procedures import PROCEDURES
from benchmarks.parts.report import at_least, at_most, finish
from common.vision.answers.answering import Answers
from common.vision.model import Model
from trainer.data.split import Indices, divide
from trainer.experiment import Experiment
from trainer.models.judged import judged_by_inner_heads
from trainer.models.proposal import Terms
from trainer.scoring.proof import upper_bound
from trainer.scoring.thresholds import statements_of

PRECISION, SEEDS, FOLDS = 0.9, (0, 1, 2), 5
ASIDE = 1 / 8
BROKEN_AT = 0.01  # one-sided
SHORT_OF_ACCURACY = 0.08  # by how much heads may find less than the most probable answer is right
SURE, FOUND_OF_SURE = 0.9, 0.75


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """What a model does with photographs that were set aside, by category (classes,)."""

    broken: int
    found: float
    accuracy: float
    found_of_sure: float
    most_written: int
    least_written: float

    @classmethod
    def of(cls, answers: Answers, targets: NDArray[np.bool_]) -> "Scores":
        """The scores of answers to pictures with these targets (n, classes)."""
        written, right = answers.written, answers.written & targets
        said, shown = written.sum(axis=0), targets.sum(axis=0)
        best = answers.probabilities.argmax(axis=1)
        is_right = targets[np.arange(len(best)), best]
        found = right.sum(axis=0) / shown
        sure = [
            found[label]
            for label in range(targets.shape[1])
            if (best == label).any() and is_right[best == label].mean() > SURE
        ]
        return cls(
            broken=sum(
                upper_bound(int(each), int(of), BROKEN_AT) < PRECISION
                for each, of in zip(right.sum(axis=0), said, strict=True)
                if of
            ),
            found=float(found.mean()),
            accuracy=float(is_right.mean()),
            found_of_sure=float(min(sure, default=1.0)),
            most_written=int(written.sum(axis=1).max()),
            least_written=float(answers.probabilities[written].min(initial=1.0)),
        )


def set_aside(whole: Photographs, seed: int) -> tuple[Indices, Indices]:
    """The rows of photographs to learn from, and of the others; near-duplicates stay together."""
    targets = whole.ready.data.targets
    part = divide(targets, whole.groups, [1 - ASIDE, ASIDE], seed=[seed])
    return np.flatnonzero(part == 0), np.flatnonzero(part == 1)


def elements(place: Studio) -> dict[str, Any]:
    """Heads that learn from seven eighths of the elements, scored on the others."""
    scores, seconds, by_procedure = [], [], []
    for seed in SEEDS:
        learned, others = set_aside(place.elements, seed)
        experiment = place.train_heads(
            place.elements.some(learned), f"elements_{seed}", folds=FOLDS, seed=seed
        )
        began = time.perf_counter()
        model = place.promoted(experiment, Terms(precision=PRECISION))
        seconds.append(time.perf_counter() - began)
        targets = place.elements.ready.data.targets[others]
        answers = model.answering.answers(place.elements.embeddings[others])
        scores.append(Scores.of(answers, targets))
        by_procedure.append(procedures(experiment, model, answers, targets))
    return {
        "concepts": len(SEEDS) * len(place.elements.ready.data.categories),
        "broken": sum(each.broken for each in scores),
        "found": [round(each.found, 4) for each in scores],
        "accuracy": [round(each.accuracy, 4) for each in scores],
        "short_of_accuracy": max(each.accuracy - each.found for each in scores),
        "found_of_sure": min(each.found_of_sure for each in scores),
        "most_written": max(each.most_written for each in scores),
        "least_written": min(each.least_written for each in scores),
        "promotion_seconds": max(seconds),
        "elements_by_procedure": _summed(by_procedure),
    }


def procedures(
    experiment: Experiment, model: Model, answers: Answers, targets: NDArray[np.bool_]
) -> dict[str, tuple[int, float]]:
    """Of each procedure the broken promises, and the mean share of a category that is found."""
    judged = judged_by_inner_heads(experiment, abstains=False)
    statements = statements_of(judged.probabilities, judged.targets, model.description.rule)
    candidates = model.description.rule.candidates(answers.probabilities)
    scored = {}
    for name, procedure in PROCEDURES.items():
        broken, found = 0, []
        for label, each in enumerate(statements):
            rank = (
                int(procedure(each.correct[np.newaxis], PRECISION)[0]) if len(each.correct) else 0
            )
            lowest = each.probabilities[rank - 1] if rank else np.inf
            written = candidates[:, label] & (answers.probabilities[:, label] >= lowest)
            right = int(targets[written, label].sum())
            broken += bool(rank) and upper_bound(right, int(written.sum()), BROKEN_AT) < PRECISION
            found.append(right / targets[:, label].sum())
        scored[name] = broken, float(np.mean(found))
    return scored


def museum(place: Studio) -> dict[str, Any]:
    """Heads that learn from seven eighths of the museums' photographs, by each procedure."""
    by_procedure = []
    for seed in SEEDS:
        learned, others = set_aside(place.museum, seed)
        experiment = place.train_heads(
            place.museum.some(learned), f"museum_{seed}", folds=FOLDS, seed=seed
        )
        model = place.promoted(experiment, Terms(precision=PRECISION))
        answers = model.answering.answers(place.museum.embeddings[others])
        targets = place.museum.ready.data.targets[others]
        by_procedure.append(procedures(experiment, model, answers, targets))
    return {"museum_by_procedure": _summed(by_procedure)}


def _summed(by_seed: list[dict[str, tuple[int, float]]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "broken": sum(each[name][0] for each in by_seed),
            "found": round(float(np.mean([each[name][1] for each in by_seed])), 4),
        }
        for name in PROCEDURES
    }


def abstention(place: Studio) -> dict[str, Any]:
    """What a model of one kind of photographs says of another, thresholds ignored."""
    museum, buildings = place.museum, place.elements
    providers = np.array([each.provider for each in museum.ready.data.examples])
    accepted, unlike = {}, {}
    for number, left_out in enumerate(sorted(set(providers))):
        learned = museum.some(np.flatnonzero(providers != left_out))
        experiment = place.train_heads(
            learned, f"museum_without_{number}", folds=FOLDS, class_weights="sqrt"
        )
        likeness = place.promoted(experiment, Terms(precision=0.5)).answering.likeness
        assert likeness is not None
        unlike[left_out] = float(likeness.is_unlike(buildings.embeddings).mean())
        own = museum.embeddings[providers == left_out]
        accepted[left_out] = 1 - float(likeness.is_unlike(own).mean())
    learned_rows, others = set_aside(buildings, 0)
    experiment = place.train_heads(buildings.some(learned_rows), "elements_like", folds=FOLDS)
    likeness = place.promoted(experiment, Terms(precision=0.5)).answering.likeness
    assert likeness is not None
    accepted["elements"] = 1 - float(likeness.is_unlike(buildings.embeddings[others]).mean())
    unlike["elements"] = float(likeness.is_unlike(museum.embeddings).mean())
    return {
        "accepted": {name: round(each, 4) for name, each in accepted.items()},
        "unlike": {name: round(each, 4) for name, each in unlike.items()},
        "least_accepted": min(accepted.values()),
        "least_unlike": min(unlike.values()),
    }


def main() -> None:
    """Train, promote, score and compare with the bars."""
    if absent := missing():
        typer.echo(f"skipped: there is no {absent}")
        return
    with studio() as place:
        figures = elements(place) | museum(place) | abstention(place)
    finish(
        figures=figures,
        bars={
            "broken": at_most(1),
            "short_of_accuracy": at_most(SHORT_OF_ACCURACY),
            "found_of_sure": at_least(FOUND_OF_SURE),
            "most_written": at_most(1),
            "least_written": at_least(0.5),
            "promotion_seconds": at_most(20),
            "least_accepted": at_least(0.88),
            "least_unlike": at_least(0.97),
        },
    )


if __name__ == "__main__":
    typer.run(main)
