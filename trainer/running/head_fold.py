"""One fold of heads, from embeddings to its finished files.

A head learns from the training and the validation part together. A cross-validation inside them
finds its strength, so no part is held back. The temperature is fitted on predictions for the
validation part. These come from inner heads that have not seen the pictures.

`--drop-doubtful` leaves out pictures whose label the inner heads contradict. Each is judged by a
head that has seen neither it nor the test part. Test parts keep all their pictures: a test without
the pictures that are hard to label would look too good.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from common.process.terminal.progress import progress
from common.vision.answers.heads import Head
from trainer.data.embedded import EmbeddedData
from trainer.data.prepare import Assigned, tested_together
from trainer.data.split import (
    INNER_PARTS,
    Division,
    Fold,
    Indices,
    make_divisions,
    make_inner_divisions,
)
from trainer.data.tables import write_table
from trainer.experiment import Experiment, FoldResult
from trainer.learning.head import Points
from trainer.learning.strength import (
    Learning,
    Search,
    find_strength,
    fit_members,
    search_without,
)
from trainer.report.gallery import write_head_gallery
from trainer.report.plots import write_trials
from trainer.running.fold import predictions_of, write_checkpoint
from trainer.scoring.evidence import Evidence, Likenesses, measure_likenesses, write_evidence
from trainer.scoring.label_errors import pictures_in_doubt
from trainer.scoring.metrics import measure
from trainer.scoring.predictions import Predictions
from trainer.settings import TrainingSettings

MEMBERS = 8  # of the ensemble that measures a promotion
HELD_BACK_PARTS = 5
# Numbers in the seeds of divisions inside a fold, so that these differ from the fold's own.
_INNER, _HELD_BACK, _ENSEMBLE = 1, 2, 3


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadAssignment:
    """What all folds of a training need; `points` are those of all its embeddings."""

    ready: EmbeddedData
    points: Points
    assigned: Assigned
    settings: TrainingSettings
    experiment: Experiment


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedHead:
    """The head of a fold as it is saved: `weight` (classes, dimension) and `bias` (classes,).

    `validation` has the pictures of the validation part that inner heads can judge. `dropped` are
    the positions of examples with doubtful labels; the head did not learn from them.
    """

    state: dict[str, torch.Tensor]
    search: Search
    validation: Predictions
    dropped: Indices


def run_heads(numbers: Sequence[int], assignment: HeadAssignment) -> Iterator[FoldResult]:
    """Fit and test the heads of an experiment one after the other, and yield each result."""
    with progress("Folds", len(numbers)) as report:
        for number in numbers:
            fold = assignment.assigned.folds[number]
            result = finish_head_fold(assignment, fold, fit_fold(assignment, fold))
            report.advance(note=f"accuracy {result.test.accuracy:.3f}")
            yield result


def inner_divisions(
    assignment: HeadAssignment, fold: Fold, *, parts: int = INNER_PARTS, use: int = _INNER
) -> tuple[Indices, list[Division]]:
    """The positions of all examples that a fold does not test, and divisions of these.

    Args:
        use: a number in the seed, so that each use has its own divisions.
    """
    data, settings = assignment.ready.data, assignment.settings
    seen = np.sort(np.concatenate([fold.training, fold.validation]))
    together = tested_together(data, settings)
    divisions = make_inner_divisions(
        data.targets[seen],
        assignment.assigned.groups[seen],
        parts=parts,
        seed=[settings.seed, fold.number, use],
        tested_together=None if together is None else together[seen],
    )
    return seen, divisions


def fit_fold(assignment: HeadAssignment, fold: Fold) -> FittedHead:
    """Fit the head of a fold to all examples that it does not test."""
    data, settings, points = assignment.ready.data, assignment.settings, assignment.points
    seen, divisions = inner_divisions(assignment, fold)
    how = _learning(assignment, seen)
    targets = torch.from_numpy(data.targets[seen]).float()
    own = points.rows(seen)
    search = find_strength(own, targets, divisions, how)
    doubtful: Indices = np.empty(0, dtype=np.int64)
    if settings.drop_doubtful:
        judged = np.flatnonzero(search.judged.numpy())
        predictions = predictions_of(search.logits[search.judged], seen[judged], data)
        doubtful = judged[pictures_in_doubt(predictions, settings.kind)]
        divisions = [replace(each, rest=np.setdiff1d(each.rest, doubtful)) for each in divisions]
        search = search_without(search, own, targets, divisions, how)
    learned = np.setdiff1d(np.arange(len(seen)), doubtful)
    held_back = np.flatnonzero(search.judged.numpy() & np.isin(seen, fold.validation))
    return FittedHead(
        state=points.on_embeddings(search.head(own, targets, learned, how)),
        search=search,
        validation=predictions_of(search.logits[held_back], seen[held_back], data),
        dropped=seen[doubtful],
    )


def predict_test_part(assignment: HeadAssignment, fold: Fold, fitted: FittedHead) -> Predictions:
    """The predictions for the test part, by the head as it will be served."""
    head = _served(fitted)
    logits = torch.from_numpy(head.logits(assignment.ready.embeddings[fold.test]))
    return predictions_of(logits, fold.test, assignment.ready.data)


def _served(fitted: FittedHead) -> Head:
    return Head.rounded(fitted.state["weight"].numpy(), fitted.state["bias"].numpy())


def _learning(assignment: HeadAssignment, seen: Indices) -> Learning:
    settings, weights = assignment.settings, assignment.ready.data.weights[seen]
    return Learning(
        kind=settings.kind,
        class_weights=settings.class_weights,
        weights=weights if (weights != 1).any() else None,
    )


def _inner_logits(assignment: HeadAssignment, fold: Fold, search: Search) -> NDArray[np.float32]:
    """Logits (tested, heads, classes) of an ensemble of heads that saw none of the test part.

    The ensemble has more heads than the search, so that each learns from more examples. The
    measured heads should be about as good as the promoted ones.
    """
    seen, divisions = inner_divisions(assignment, fold, parts=MEMBERS, use=_ENSEMBLE)
    how = _learning(assignment, seen)
    targets = torch.from_numpy(assignment.ready.data.targets[seen]).float()
    points = assignment.points
    weights = fit_members(search, points.rows(seen), targets, divisions, how)
    return np.asarray(points.rows(fold.test).logits(weights).numpy())


def _likenesses(assignment: HeadAssignment, fold: Fold) -> Likenesses | None:
    seen = np.sort(np.concatenate([fold.training, fold.validation]))
    embeddings = assignment.ready.embeddings[seen]
    divisions = make_divisions(
        assignment.ready.data.targets[seen],
        assignment.assigned.groups[seen],
        parts=HELD_BACK_PARTS,
        seed=[assignment.settings.seed, fold.number, _HELD_BACK],
    )
    return measure_likenesses(
        embeddings,
        assignment.ready.embeddings[fold.test],
        [(embeddings[each.test], embeddings[each.rest]) for each in divisions],
        whole=len(assignment.ready.embeddings),
        seed=fold.number,
    )


def finish_head_fold(assignment: HeadAssignment, fold: Fold, fitted: FittedHead) -> FoldResult:
    """Test the head of a fold, as it will be served, and write all files of the fold."""
    ready, settings, experiment = assignment.ready, assignment.settings, assignment.experiment
    folder, data = experiment.split(fold.number), ready.data
    sha256 = write_checkpoint(folder, fitted.state, data, settings)
    write_trials(folder, fitted.search.trials)
    dropped = [[data.examples[position].key] for position in fitted.dropped]
    write_table(folder / "dropped.csv", [["example"], *dropped])
    test = predict_test_part(assignment, fold, fitted)
    evidence = Evidence(
        likenesses=_likenesses(assignment, fold),
        inner_logits=_inner_logits(assignment, fold, fitted.search),
    )
    write_evidence(folder, evidence)
    if ready.encoder is not None:
        heatmaps, head = folder / "heatmaps", _served(fitted)
        write_head_gallery(heatmaps, test, data, fold.test, ready.encoder, head)
    experiment.write_predictions(fold.number, test=test, validation=fitted.validation, data=data)
    result = FoldResult(
        fold=fold.number,
        checkpoint_sha256=sha256,
        strength=fitted.search.best.strength,
        validation_loss=fitted.search.best.loss,
        test=measure(test.targets, test.probabilities, data.categories, data.kind),
    )
    experiment.write_result(result)
    return result
