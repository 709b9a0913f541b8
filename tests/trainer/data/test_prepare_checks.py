"""What is refused before any training."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.errors import DatasetError, UsageError
from tests.trainer.pictures import VOCABULARY, draw_folder
from trainer.data.dataset import TrainingData, folder_data
from trainer.data.prepare import check_folds, check_trainable, examples_needed
from trainer.data.split import make_folds
from trainer.settings import TrainingSettings

TWO = TrainingSettings(folds=2)
BY_PROVIDER = TrainingSettings(folds=3, group_by="provider")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten maps and ten toys."""
    return draw_folder(tmp_path / "data", 10)


def _given_by(data: TrainingData, *providers: str) -> TrainingData:
    """Each example from one of the providers in turn."""
    return replace(
        data,
        examples=tuple(
            replace(example, provider=providers[number % len(providers)])
            for number, example in enumerate(data.examples)
        ),
    )


def test_data_that_can_be_trained_on_passes(folder: Path) -> None:
    data = folder_data(folder, VOCABULARY)
    check_trainable(data, TWO)
    check_trainable(_given_by(data, "A", "B", "C"), BY_PROVIDER)


def test_one_category_is_not_enough(tmp_path: Path) -> None:
    data = folder_data(draw_folder(tmp_path, 10, ("map",)), VOCABULARY)
    with pytest.raises(DatasetError, match="at least two"):
        check_trainable(data, TWO)


def test_copies_do_not_make_a_category_large_enough(folder: Path) -> None:
    for number in range(1, 10):
        shutil.copy(folder / "toy" / "000.png", folder / "toy" / f"{number:03}.png")
    with pytest.raises(DatasetError, match=r"toy \(1\)"):
        check_trainable(folder_data(folder, VOCABULARY), TWO)


def test_a_category_that_every_picture_has_is_refused(folder: Path) -> None:
    data = folder_data(folder, VOCABULARY)
    maps = tuple(replace(e, labels=tuple({0, *e.labels})) for e in data.examples)
    with pytest.raises(DatasetError, match="every picture has map"):
        check_trainable(replace(data, kind="multi", examples=maps), TWO.changed(kind="multi"))


def test_data_of_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="--mode multi"):
        check_trainable(folder_data(folder, VOCABULARY), TWO.changed(kind="multi"))


def test_a_folder_has_no_providers_to_group_by(folder: Path) -> None:
    with pytest.raises(UsageError, match="has no data providers: choose --group-by picture"):
        check_trainable(folder_data(folder, VOCABULARY), BY_PROVIDER)


def test_fewer_providers_than_folds_are_too_few(folder: Path) -> None:
    data = _given_by(folder_data(folder, VOCABULARY), "A", "B")
    with pytest.raises(UsageError, match="has 2 data providers.*--folds 2"):
        check_trainable(data, BY_PROVIDER)


def test_a_category_of_one_provider_cannot_be_tested_by_provider(folder: Path) -> None:
    data = _given_by(folder_data(folder, VOCABULARY), "A", "B", "C")
    only_a = tuple(replace(e, provider="A") if e.labels == (1,) else e for e in data.examples)
    with pytest.raises(DatasetError, match="fewer than two data providers have toy"):
        check_trainable(replace(data, examples=only_a), BY_PROVIDER)


def test_a_part_without_a_category_is_named(folder: Path) -> None:
    data = folder_data(folder, VOCABULARY)
    folds = make_folds(data.targets, np.arange(20), folds=2, seed=0)
    check_folds(data, folds, TWO)
    without_toys = replace(folds[1], test=folds[1].test[~data.targets[folds[1].test, 1]])
    with pytest.raises(DatasetError, match="Fold 2 of 2 has no picture of toy for test"):
        check_folds(data, [folds[0], without_toys], TWO)
    check_folds(data, [folds[0], without_toys], TWO.changed(group_by="provider"))


def test_where_providers_stay_together_the_message_names_the_other_grouping(folder: Path) -> None:
    data = folder_data(folder, VOCABULARY)
    folds = make_folds(data.targets, np.arange(20), folds=2, seed=0)
    training = folds[1].training
    without_toys = replace(folds[1], training=training[~data.targets[training, 1]])
    for settings in (TWO, TWO.changed(group_by="provider")):
        with pytest.raises(DatasetError, match="no picture of toy for training") as refused:
            check_folds(data, [folds[0], without_toys], settings)
        is_named = "Choose fewer folds or --group-by picture, or add" in str(refused.value)
        assert is_named == (settings.group_by == "provider")


@pytest.mark.parametrize(
    ("folds", "needed"),
    [
        (2, 10),  # 10 - 5 tested leave 5, one for each of 5 validation parts
        (3, 8),  # 8 - 3 leave 5
        (10, 10),  # 10 - 1 leave 9, one for each of 9
    ],
)
def test_a_category_needs_a_picture_for_every_part(folds: int, needed: int) -> None:
    assert examples_needed(folds) == needed
