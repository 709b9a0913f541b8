"""A fold of heads: what it learns from, and what it leaves behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from common.vision.answers.heads import Head
from common.vision.kinds import Kind
from tests.trainer.embeddings import HEADS, embedded_pictures
from trainer.data.dataset import Example
from trainer.data.prepare import assign
from trainer.experiment import Experiment
from trainer.running.head_fold import HeadAssignment, fit_fold, inner_divisions, run_heads
from trainer.settings import TrainingSettings


def _assignment(
    folder: Path, settings: TrainingSettings = HEADS, name: str = "run"
) -> HeadAssignment:
    ready = embedded_pictures(folder / "pictures", settings.kind)
    experiment = Experiment(folder / "experiments", name)
    groups = np.arange(len(ready.data.examples))
    assigned = assign(ready.data, groups, settings, Console(quiet=True))
    experiment.begin(settings, ready.data)
    return HeadAssignment.of(ready, assigned, settings, experiment)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_fold_leaves_its_files_and_is_finished(tmp_path: Path, kind: Kind) -> None:
    assignment = _assignment(tmp_path, HEADS.changed(kind=kind))
    (result,) = run_heads([1], assignment)
    experiment = assignment.experiment
    assert experiment.is_finished(1)
    assert experiment.result(1) == result
    assert {path.name for path in experiment.split(1).iterdir()} == {
        *("checkpoint.pth", "class_index.json", "conf.json", "dropped.csv", "metrics.json"),
        "evidence.safetensors",
        *("predictions.csv", "strengths.csv", "strengths.png", "validation_predictions.csv"),
    }
    trials = experiment.trials(1)
    assert min(trials, key=lambda trial: trial.loss).strength == result.strength
    assert min(trial.loss for trial in trials) == result.validation_loss
    assert result.test.accuracy > 0.4
    assert experiment.dropped(1) == []


def test_test_predictions_are_those_of_the_checkpoint_as_it_is_served(tmp_path: Path) -> None:
    assignment = _assignment(tmp_path)
    (result,) = run_heads([0], assignment)
    path = assignment.experiment.checkpoint(result)
    state = torch.load(path, weights_only=True)
    assert (state["weight"].shape, state["bias"].shape) == ((3, 12), (3,))
    head = Head.rounded(state["weight"].numpy(), state["bias"].numpy())
    tested = assignment.ready.embeddings[assignment.assigned.folds[0].test]
    said = torch.from_numpy(head.logits(tested)).softmax(1).numpy()
    predictions = assignment.experiment.predictions(0)
    np.testing.assert_array_equal(predictions.probabilities, said)


def test_validation_predictions_are_of_the_validation_part_by_heads_that_did_not_learn_it(
    tmp_path: Path,
) -> None:
    assignment = _assignment(tmp_path)
    fold = assignment.assigned.folds[0]
    fitted = fit_fold(assignment, fold)
    keys = [assignment.ready.data.examples[position].key for position in fold.validation]
    assert list(fitted.validation.keys) == keys
    seen, divisions = inner_divisions(assignment, fold)
    assert sorted(seen) == sorted([*fold.training, *fold.validation])
    assert sum(len(each.test) for each in divisions) == len(seen)


def test_doubtful_labels_are_not_learned_but_tested(tmp_path: Path) -> None:
    assignment = _assignment(tmp_path, HEADS.changed(drop_doubtful=True))
    examples = list(assignment.ready.data.examples)
    wrong = [examples[position].key for position in (1, 4, 7)]
    mislabelled = [_mislabelled(each) if each.key in wrong else each for each in examples]
    data = replace(assignment.ready.data, examples=tuple(mislabelled))
    doubting = replace(assignment, ready=replace(assignment.ready, data=data))
    results = list(run_heads([0, 1], doubting))
    dropped = {key for fold in (0, 1) for key in assignment.experiment.dropped(fold)}
    assert dropped & set(wrong)
    assert len(dropped) < len(examples) / 2
    assert sum(result.test.examples for result in results) == len(examples)


def _mislabelled(example: Example) -> Example:
    return replace(example, labels=((example.labels[0] + 1) % 3,))


def test_providers_stay_together_inside_the_training_part_too(tmp_path: Path) -> None:
    assignment = _assignment(tmp_path)
    examples = [
        replace(example, provider=f"museum {number // 3 % 4}")
        for number, example in enumerate(assignment.ready.data.examples)
    ]
    data = replace(assignment.ready.data, examples=tuple(examples))
    settings = HEADS.changed(group_by="provider")
    assigned = assign(data, assignment.assigned.groups, settings, Console(quiet=True))
    by_provider = replace(
        assignment,
        ready=replace(assignment.ready, data=data),
        settings=settings,
        assigned=assigned,
    )
    for fold in assigned.folds:
        seen, divisions = inner_divisions(by_provider, fold)
        for each in divisions:
            known = {examples[position].provider for position in seen[each.rest]}
            assert not known & {examples[position].provider for position in seen[each.test]}


def test_a_fold_does_not_depend_on_those_before_it(tmp_path: Path) -> None:
    """So a run that was killed goes on to the same numbers."""
    whole = _assignment(tmp_path, name="whole")
    list(run_heads([0, 1], whole))
    later = _assignment(tmp_path, name="later")
    list(run_heads([1], later))
    for file in ("predictions.csv", "validation_predictions.csv", "strengths.csv", "metrics.json"):
        paths = [each.experiment.split(1) / file for each in (whole, later)]
        assert paths[0].read_text() == paths[1].read_text()
