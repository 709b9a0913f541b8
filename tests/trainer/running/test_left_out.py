"""Heads are tested on providers that they did not learn from, besides the folds by picture."""

from pathlib import Path

import pytest

from common.errors import ModelError
from tests.trainer.finished_heads import PROVIDERS, finished_heads
from trainer.experiment import Experiment
from trainer.models.promote import propose
from trainer.models.proposal import Terms


def test_each_provider_is_tested_whole_in_a_fold_that_keeps_its_predictions_alone(
    heads_by_provider: Experiment,
) -> None:
    folder, provider_of = heads_by_provider.folder / "left_out", heads_by_provider.provider_of()
    assert len(list(folder.iterdir())) == len(PROVIDERS)
    assert {path.name for path in folder.glob("*/*")} == {"predictions.csv"}
    tested = [
        {provider_of[key] for key in part.keys} for part in heads_by_provider.left_out_predictions()
    ]
    assert sorted(map(len, tested)) == [1, 1, 1]
    assert set.union(*tested) == set(PROVIDERS)
    promoted = heads_by_provider.predictions(0)
    assert {provider_of[key] for key in promoted.keys} == set(PROVIDERS)


def test_a_training_that_was_stopped_tests_what_is_left(tmp_path: Path) -> None:
    whole = finished_heads(tmp_path, each=20, by_provider=True)
    paths = [whole.left_out_split(number) / "predictions.csv" for number in range(3)]
    before = [path.read_text() for path in paths]
    paths[1].unlink()
    finished_heads(tmp_path, each=20, by_provider=True)
    assert [path.read_text() for path in paths] == before


def test_data_without_providers_has_no_such_folds(tmp_path: Path) -> None:
    experiment = finished_heads(tmp_path, each=10)
    assert experiment.left_out_predictions() == []


def test_heads_of_an_older_version_that_left_providers_out_are_not_promoted(
    heads_by_provider: Experiment, tmp_path: Path
) -> None:
    older = Experiment(tmp_path, "older")
    older.folder.mkdir()
    settings = heads_by_provider.settings().changed(group_by="provider")
    (older.folder / "conf.json").write_text(settings.to_json())
    for number in range(3):
        (older.split(number)).symlink_to(heads_by_provider.split(number))
    with pytest.raises(ModelError, match="An older version trained older.*Train again"):
        propose(older, Terms(), fold=None, ensemble=True, judged_on=None, model_dir=tmp_path)


def test_a_provider_with_most_of_the_records_is_tested_too(tmp_path: Path) -> None:
    """A network would have too little to learn from; such heads are not promoted."""
    experiment = finished_heads(tmp_path, each=20, by_provider=True, giant=True)
    assert {len(part.keys) for part in experiment.left_out_predictions()} == {8, 64}
