"""Heads: the time of a whole cross-validation on embeddings, and its accuracy against scikit-learn.

    python -m benchmarks.head_training [--examples 70000] [--providers 30] [--compared 1]

The embeddings are random: 768 numbers, 20 categories, as many examples as the pilot had. Like real
ones they spread a thousand times more along some axes than along others, and point to one side. A
category is a normal distribution around its own mean, and all have the same covariance. So the best
possible classifier is known: the linear discriminant of the true means and covariance. Its accuracy
on these examples is `best_accuracy`, about 0.79.

The time is that of all folds by picture as in `trainer train`, from embeddings to files, with the
search for the strength. There is no search for near-duplicates, since random embeddings have none.
Then come folds that leave random data providers out, as in `trainer train`. `times_as_long` is the
processor time of both kinds of folds / that of the folds by picture.

The peer is scikit-learn's LogisticRegression with the same examples and each strength that was
tried. Its best accuracy on the test part counts, which is in its favour. It is slow: a search
inside (LogisticRegressionCV) took more than eight minutes per fold and was abandoned. So it does
only `--compared` folds, which are compared with the same folds of ours.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.parts.report import at_most, finish
from common.process.terminal.console import SafeConsole
from common.vision.answers.heads import Embeddings, halved
from trainer.data.dataset import Example, TrainingData
from trainer.data.embedded import EmbeddedData
from trainer.data.prepare import Assigned
from trainer.data.split import make_folds
from trainer.experiment import Experiment, FoldResult
from trainer.learning.head import Points
from trainer.running.head_fold import HeadAssignment, inner_divisions, run_heads
from trainer.running.left_out import run_left_out
from trainer.settings import TrainingSettings

DIMENSION, CATEGORIES = 768, 20
TELLING = 64  # axes along which the categories differ
DISTANCE = 0.36  # of a category's mean from the middle along such an axis, in deviations
MOST_SECONDS, MOST_SHORT, MOST_TIMES = 300, 0.002, 1.7


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Embeddings (n, dimension), labels (n,), and the accuracy of the best possible classifier."""

    embeddings: Embeddings
    labels: NDArray[np.int64]
    best_accuracy: float


def draw(examples: int) -> Drawn:
    """Draw examples of equally likely categories."""
    chance = np.random.default_rng(0)
    deviations = (1 + np.arange(DIMENSION, dtype=np.float32)) ** -0.5
    means = np.zeros((CATEGORIES, DIMENSION), dtype=np.float32)
    means[:, :TELLING] = DISTANCE * chance.standard_normal((CATEGORIES, TELLING))
    side = chance.standard_normal(DIMENSION) * np.sqrt(np.square(deviations).mean())
    labels = chance.integers(0, CATEGORIES, examples)
    standard = chance.standard_normal((examples, DIMENSION), dtype=np.float32) + means[labels]
    told = standard @ means.T - np.square(means).sum(axis=1) / 2
    return Drawn(
        embeddings=halved(standard * deviations + side.astype(np.float32)),
        labels=labels,
        best_accuracy=float((told.argmax(axis=1) == labels).mean()),
    )


def begin(drawn: Drawn, folder: Path, folds: int, providers: int) -> HeadAssignment:
    """Begin an experiment on the examples, from `providers` data providers."""
    settings = TrainingSettings(encoder="drawn", folds=folds)
    data = TrainingData(
        source="drawn embeddings",
        kind="single",
        categories=tuple(f"category {number:02}" for number in range(CATEGORIES)),
        concept_uris=tuple(f"http://concept.example/{number}" for number in range(CATEGORIES)),
        picture_source="folder",
        examples=tuple(
            Example(
                key=str(row),
                path=folder,
                labels=(int(label),),
                sha256=str(row),
                provider=f"museum {row % providers}",
            )
            for row, label in enumerate(drawn.labels)
        ),
    )
    groups = np.arange(len(drawn.labels))
    made = make_folds(data.targets, groups, folds=folds, seed=settings.seed)
    return HeadAssignment(
        ready=EmbeddedData(data=data, embeddings=drawn.embeddings),
        points=Points.of(drawn.embeddings),
        assigned=Assigned(folds=made, near_duplicates=(), groups=groups),
        settings=settings,
        experiment=Experiment(folder, "heads"),
    )


def peer_accuracy(assignment: HeadAssignment, drawn: Drawn, number: int) -> float:
    """The accuracy of scikit-learn's head on the test part of a fold.

    Its stopping rule is for numbers of about 1, so the embeddings are scaled to that size. This
    changes `C` by the square of the factor.
    """
    fold = assignment.assigned.folds[number]
    seen, _ = inner_divisions(assignment, fold)
    size = np.sqrt(DIMENSION)
    values = drawn.embeddings.astype(np.float32) * np.float32(size)
    accuracies = []
    for trial in assignment.experiment.trials(number):
        strength = 1 / (trial.strength * size**2 * len(seen))
        peer = LogisticRegression(C=strength, max_iter=1000)
        peer.fit(values[seen], drawn.labels[seen])
        accuracies.append(peer.score(values[fold.test], drawn.labels[fold.test]))
    return float(max(accuracies))


def main(
    examples: Annotated[int, typer.Option(min=2000)] = 70_000,
    folds: Annotated[int, typer.Option(min=2)] = 10,
    providers: Annotated[int, typer.Option(min=3, help="Number of data providers.")] = 30,
    compared: Annotated[int, typer.Option(min=1, help="Folds for scikit-learn.")] = 1,
) -> None:
    """Measure and report."""
    drawn = draw(examples)
    with TemporaryDirectory() as folder:
        started, busy = time.perf_counter(), time.process_time()
        assignment = begin(drawn, Path(folder), folds, providers)
        results = list(run_heads(range(folds), assignment))
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - busy
        run_left_out(assignment, SafeConsole(stderr=True))
        both_cpu_seconds = time.process_time() - busy
        peers = [peer_accuracy(assignment, drawn, number) for number in range(compared)]
    finish(
        figures={
            "examples": examples,
            "folds": folds,
            "compared": compared,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu_seconds, 1),
            "times_as_long": both_cpu_seconds / cpu_seconds,
            "strengths": [result.strength for result in results],
            "best_accuracy": round(drawn.best_accuracy, 4),
            "accuracy": round(_accuracy(results), 4),
            "accuracy_of_compared": round(_accuracy(results[:compared]), 4),
            "accuracy_of_scikit_learn": round(float(np.mean(peers)), 4),
            "accuracy_short": round(float(np.mean(peers)) - _accuracy(results[:compared]), 4),
        },
        bars={
            "seconds": at_most(MOST_SECONDS),
            "accuracy_short": at_most(MOST_SHORT),
            "times_as_long": at_most(MOST_TIMES),
        },
    )


def _accuracy(results: list[FoldResult]) -> float:
    return float(np.mean([result.test.accuracy for result in results]))


if __name__ == "__main__":
    typer.run(main)
