"""An experiment on disk: what is written is read again, what is damaged is said."""

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import ModelError, UsageError
from common.vision.kinds import Kind
from tests.trainer.experiments import (
    CATEGORIES,
    HISTORY,
    SETTINGS,
    copied,
    labelled_pictures,
)
from trainer.data.tables import write_table
from trainer.experiment import Experiment


@pytest.fixture
def museum(finished: dict[Kind, Experiment]) -> Experiment:
    """Read only."""
    return finished["single"]


@pytest.fixture
def changeable(museum: Experiment, tmp_path: Path) -> Experiment:
    """A copy."""
    return copied(museum, tmp_path)


def test_a_fold_leaves_its_files(museum: Experiment) -> None:
    assert {path.name for path in museum.split(0).iterdir()} == {
        *("checkpoint.pth", "class_index.json", "conf.json", "evidence.safetensors", "heatmaps"),
        *("history.csv", "history.png", "metrics.json", "predictions.csv", "tensorboard"),
        "validation_predictions.csv",
    }


def test_results_come_back(museum: Experiment) -> None:
    results = museum.results()
    assert [result.fold for result in results] == [0, 1, 2]
    assert results[0].best_epoch == 3
    assert museum.checkpoint(results[0]).exists()
    assert museum.history(0) == HISTORY


def test_test_parts_are_the_data_and_validation_parts_are_others(museum: Experiment) -> None:
    with (museum.folder / "splits.csv").open() as file:
        rows = {row["example"]: row for row in csv.DictReader(file)}
    tested: list[str] = []
    for number in range(3):
        test, validation = museum.predictions(number), museum.validation_predictions(number)
        assert {rows[key][f"split_{number}"] for key in test.keys} == {"test"}
        assert {rows[key][f"split_{number}"] for key in validation.keys} == {"validation"}
        tested += test.keys
    assert sorted(tested) == sorted(rows)


def test_what_was_left_out_is_remembered(museum: Experiment) -> None:
    assert museum.dataset().kind == "single"
    (left_out,) = museum.left_out()
    assert left_out.reason == "picture unreadable (damaged)"
    assert left_out.keys == ("/90101/object_35",)


def test_pictures_are_found_again_from_anywhere(
    museum: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert all(path.is_absolute() and path.exists() for path in museum.pictures().values())


def test_the_provider_of_an_example_is_remembered(changeable: Experiment, tmp_path: Path) -> None:
    data = labelled_pictures(tmp_path, "single", CATEGORIES)
    first, second, *others = data.examples
    named = (replace(first, provider="Museum, of toys"), replace(second, provider="=1"))
    data = replace(data, examples=(*named, *others))
    changeable.write_splits(data, [changeable.fold(0, data.examples)])
    assert changeable.provider_of() == {first.key: "Museum, of toys", second.key: "=1"}


def test_the_splits_of_an_older_version_name_no_provider(changeable: Experiment) -> None:
    splits = changeable.folder / "splits.csv"
    with splits.open() as file:
        rows = [{**row} for row in csv.DictReader(file)]
    for row in rows:
        del row["provider"]
    write_table(splits, [list(rows[0]), *(list(row.values()) for row in rows)])
    assert changeable.provider_of() == {}
    assert changeable.providers([0]) == {}


READ: list[tuple[str, Callable[[Experiment], object]]] = [
    ("split_1/metrics.json", lambda experiment: experiment.result(1)),
    ("split_1/predictions.csv", lambda experiment: experiment.predictions(1)),
    ("split_1/validation_predictions.csv", lambda e: e.validation_predictions(1)),
    ("split_1/history.csv", lambda experiment: experiment.history(1)),
    ("dataset.json", Experiment.dataset),
    ("splits.csv", Experiment.pictures),
    ("left_out.csv", Experiment.left_out),
]


@pytest.mark.parametrize(("file", "read"), READ)
def test_damage_and_absence_are_said(
    changeable: Experiment, file: str, read: Callable[[Experiment], object]
) -> None:
    path = changeable.folder / file
    path.write_text("example\nhalf a line")
    with pytest.raises(ModelError, match=f"{path.name} is damaged"):
        read(changeable)
    path.unlink()
    with pytest.raises(ModelError, match="Train it to the end"):
        read(changeable)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        *READ,
        ("conf.json", Experiment.settings),
        ("split_1/checkpoint.pth", lambda e: e.checkpoint(e.result(1))),
    ],
)
def test_nobody_waits_for_a_pipe_in_place_of_a_file(
    changeable: Experiment, file: str, read: Callable[[Experiment], object]
) -> None:
    path = changeable.folder / file
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelError, match=f"{path.name} cannot be read: it is not a regular file"):
        read(changeable)


def test_a_changed_checkpoint_is_refused(changeable: Experiment) -> None:
    with (changeable.split(0) / "checkpoint.pth").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="sha256"):
        changeable.checkpoint(changeable.result(0))


def test_other_settings_or_data_need_another_name(museum: Experiment, tmp_path: Path) -> None:
    data = labelled_pictures(tmp_path, "single", CATEGORIES)
    fewer = data.without("for once", [data.examples[0].key])
    with pytest.raises(UsageError, match="seed 1 instead of 0"):
        museum.check_unchanged(SETTINGS.changed(seed=1), data)
    with pytest.raises(UsageError, match="were different then"):
        museum.check_unchanged(SETTINGS, fewer)
    museum.check_unchanged(SETTINGS, data)


def test_one_process_trains_an_experiment(tmp_path: Path) -> None:
    experiment = Experiment(tmp_path, "run")
    with (
        experiment.claimed(),
        pytest.raises(UsageError, match="another process"),
        Experiment(tmp_path, "run").claimed(),
    ):
        pass


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a b"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of an experiment"):
        Experiment(tmp_path, name)
