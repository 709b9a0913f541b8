"""What a promise is measured on: answers of models that had not seen the pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from common.errors import ModelError
from tests.trainer.embeddings import HEADS, embedded_pictures
from trainer.data.prepare import assign
from trainer.experiment import Experiment
from trainer.models.judged import PASSING, judged_by_folds, judged_by_inner_heads, limit
from trainer.running.head_fold import HeadAssignment, run_heads
from trainer.scoring.calibration import at_temperature
from trainer.scoring.evidence import FILE, Likenesses, read_evidence, write_evidence
from trainer.scoring.predictions import Predictions


@pytest.fixture
def assignment(tmp_path: Path) -> HeadAssignment:
    """A finished cross-validation of heads."""
    ready = embedded_pictures(tmp_path / "pictures", "single")
    experiment = Experiment(tmp_path / "experiments", "run")
    groups = np.arange(len(ready.data.examples))
    assigned = assign(ready.data, groups, HEADS, Console(quiet=True))
    experiment.begin(HEADS, ready.data)
    experiment.write_splits(ready.data, assigned.folds)
    made = HeadAssignment.of(ready, assigned, HEADS, experiment)
    list(run_heads(range(HEADS.folds), made))
    return made


def said_by_folds(experiment: Experiment) -> Predictions:
    return Predictions.joined([experiment.predictions(each) for each in range(HEADS.folds)])


def test_a_fold_is_judged_by_all_folds_at_its_temperature(assignment: HeadAssignment) -> None:
    tests = said_by_folds(assignment.experiment)
    judged = judged_by_folds(assignment.experiment, 0, temperature=2.0, abstains=True)
    expected = at_temperature(tests.probabilities, 2.0, "single")
    np.testing.assert_array_equal(judged.probabilities, expected)
    np.testing.assert_array_equal(judged.targets, tests.targets)
    assert judged.likeness is not None
    assert 0 <= judged.unlike.mean() < 0.5


def test_an_ensemble_is_judged_by_heads_that_saw_none_of_the_pictures(
    assignment: HeadAssignment,
) -> None:
    experiment = assignment.experiment
    judged = judged_by_inner_heads(experiment, abstains=True)
    assert len(judged.probabilities) == len(said_by_folds(experiment).keys)
    logits = read_evidence(experiment.split(0)).inner_logits
    assert logits is not None
    tested = len(experiment.predictions(0).keys)
    powers = np.exp(logits.astype(np.float64) / judged.temperature)
    mean = (powers / powers.sum(axis=2, keepdims=True)).mean(axis=1)
    np.testing.assert_allclose(judged.probabilities[:tested], mean, atol=1e-6)


def test_labels_of_tested_pictures_reach_no_inner_head(
    assignment: HeadAssignment, tmp_path: Path
) -> None:
    fold = assignment.assigned.folds[0]
    data = assignment.ready.data
    other = [
        replace(example, labels=((example.labels[0] + 1) % 3,)) if row in fold.test else example
        for row, example in enumerate(data.examples)
    ]
    relabelled = replace(assignment.ready, data=replace(data, examples=tuple(other)))
    experiment = Experiment(tmp_path / "experiments", "relabelled")
    experiment.begin(HEADS, relabelled.data)
    list(run_heads([0], replace(assignment, ready=relabelled, experiment=experiment)))
    found, expected = (
        read_evidence(each.split(0)).inner_logits for each in (experiment, assignment.experiment)
    )
    np.testing.assert_array_equal(found, expected)


def test_a_limit_is_a_cosine() -> None:
    same = np.full((5, 4), 0.5, dtype=np.float16)
    nearly = Likenesses(references=same, held_back=np.full(9, 1.0003), tested=np.ones(1))
    assert limit([nearly]) == 1.0


def test_the_inner_heads_say_about_what_the_promoted_ones_say(assignment: HeadAssignment) -> None:
    judged = judged_by_inner_heads(assignment.experiment, abstains=False)
    best = judged.probabilities.argmax(axis=1)
    right = judged.targets[np.arange(len(best)), best].mean()
    folds = said_by_folds(assignment.experiment)
    alone = folds.targets[np.arange(len(best)), folds.probabilities.argmax(axis=1)].mean()
    assert abs(right - alone) < 0.15


def test_the_limit_lets_pass_what_was_held_back(assignment: HeadAssignment) -> None:
    judged = judged_by_inner_heads(assignment.experiment, abstains=True)
    assert judged.likeness is not None
    found = [
        read_evidence(assignment.experiment.split(number)).likenesses
        for number in range(HEADS.folds)
    ]
    held_back = np.concatenate([each.held_back for each in found if each])
    assert PASSING <= (held_back >= judged.likeness.least).mean() < 1


def test_without_abstention_nothing_is_unlike(assignment: HeadAssignment) -> None:
    judged = judged_by_folds(assignment.experiment, 0, temperature=1.0, abstains=False)
    assert judged.likeness is None
    assert not judged.unlike.any()


def test_missing_evidence_is_said(assignment: HeadAssignment) -> None:
    (assignment.experiment.split(1) / FILE).unlink()
    with pytest.raises(ModelError, match="not finished, or an older version trained it"):
        judged_by_inner_heads(assignment.experiment, abstains=False)
    judged_by_folds(assignment.experiment, 0, temperature=1.0, abstains=False)  # needs none


def test_evidence_of_other_pictures_is_refused(assignment: HeadAssignment) -> None:
    folder = assignment.experiment.split(0)
    evidence = read_evidence(folder)
    assert evidence.inner_logits is not None
    write_evidence(folder, replace(evidence, inner_logits=evidence.inner_logits[:-1]))
    with pytest.raises(ModelError, match="is damaged"):
        judged_by_inner_heads(assignment.experiment, abstains=False)


def test_folds_whose_features_differ_are_refused(assignment: HeadAssignment) -> None:
    folder = assignment.experiment.split(0)
    evidence = read_evidence(folder)
    assert evidence.likenesses is not None
    short = np.eye(3, dtype=np.float16)
    likenesses = replace(evidence.likenesses, references=short)
    write_evidence(folder, replace(evidence, likenesses=likenesses))
    with pytest.raises(ModelError, match="Train it again"):
        judged_by_inner_heads(assignment.experiment, abstains=True)
