"""Promises: whether a promoted model keeps its word on photographs that were set aside.

    python -m benchmarks.promises

It needs ../shared, which is not part of the repository.

Promises, of architectural elements and of the photographs of three museums: an eighth is set aside,
near-duplicates together. Five folds of heads on the embeddings of a MobileNetV2 learn from the rest
and are promoted as an ensemble at a precision of 0.9, with three seeds. A promise is broken if the
exact test rules it out at 1 %.

Abstention, thresholds ignored: heads learn from two museums; how many photographs of the third are
accepted, and how many of the elements and of foreign pictures are unlike? And the same with the
elements.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.parts.foreign_pictures import foreign_pictures
from benchmarks.parts.photographs import Photographs, Studio, missing, studio
from benchmarks.parts.report import at_least, at_most, finish
from common.vision.answers.answering import Answers
from common.vision.answers.heads import Embeddings
from trainer.data.embedded import embed
from trainer.data.split import Indices, divide
from trainer.experiment import Experiment
from trainer.models.proposal import Terms
from trainer.scoring.proof import upper_bound

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


def promised(place: Studio, whole: Photographs, name: str) -> tuple[list[Scores], float]:
    """Heads that learn from seven eighths of photographs, scored on the others, and the most
    seconds that a promotion took."""
    scores, seconds = [], 0.0
    for seed in SEEDS:
        learned, others = set_aside(whole, seed)
        experiment = place.train_heads(
            whole.some(learned), f"{name}_{seed}", folds=FOLDS, seed=seed
        )
        began = time.perf_counter()
        model = place.promoted(experiment, Terms(precision=PRECISION))
        seconds = max(seconds, time.perf_counter() - began)
        answers = model.answering.answers(whole.embeddings[others])
        scores.append(Scores.of(answers, whole.ready.data.targets[others]))
    return scores, seconds


def promises(place: Studio) -> dict[str, Any]:
    """What was promised of the elements, and of the museums' photographs."""
    elements, seconds = promised(place, place.elements, "elements")
    museum, _ = promised(place, place.museum, "museum")
    return {
        "concepts": len(SEEDS) * len(place.elements.ready.data.categories),
        "broken": sum(each.broken for each in elements),
        "found": [round(each.found, 4) for each in elements],
        "accuracy": [round(each.accuracy, 4) for each in elements],
        "short_of_accuracy": max(each.accuracy - each.found for each in elements),
        "found_of_sure": min(each.found_of_sure for each in elements),
        "most_written": max(each.most_written for each in elements),
        "least_written": min(each.least_written for each in elements),
        "promotion_seconds": seconds,
        "museum_broken": sum(each.broken for each in museum),
        "museum_found": [round(each.found, 4) for each in museum],
    }


def abstention(place: Studio) -> dict[str, Any]:
    """What a model of one kind of photographs says of another, thresholds ignored."""
    museum, buildings = place.museum, place.elements
    drawn = foreign_pictures(place.folder / "foreign")
    foreign = embed(drawn, place.encoder, place.engine, place.folder).embeddings
    providers = np.array([each.provider for each in museum.ready.data.examples])
    accepted, unlike = {}, {}

    def ask(name: str, experiment: Experiment, own: Embeddings, other: Embeddings) -> None:
        likeness = place.promoted(experiment, Terms(precision=0.5)).answering.likeness
        assert likeness is not None
        accepted[name] = 1 - float(likeness.is_unlike(own).mean())
        unlike[name] = float(likeness.is_unlike(other).mean())
        unlike[f"{name}: foreign"] = float(likeness.is_unlike(foreign).mean())

    for number, left_out in enumerate(sorted(set(providers))):
        learned = museum.some(np.flatnonzero(providers != left_out))
        experiment = place.train_heads(
            learned, f"museum_without_{number}", folds=FOLDS, class_weights="sqrt"
        )
        own = museum.embeddings[providers == left_out]
        ask(left_out, experiment, own, buildings.embeddings)
    learned_rows, others = set_aside(buildings, 0)
    experiment = place.train_heads(buildings.some(learned_rows), "elements_like", folds=FOLDS)
    ask("elements", experiment, buildings.embeddings[others], museum.embeddings)
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
        figures = promises(place) | abstention(place)
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
