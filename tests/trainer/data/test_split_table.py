"""The table of splits: who is where, read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.errors import ModelError
from tests.trainer.experiments import labelled_pictures
from trainer.data.dataset import TrainingData
from trainer.data.split import Fold
from trainer.data.split_table import (
    read_fold,
    read_known,
    read_paths,
    read_provider_of,
    read_providers,
    read_titles,
    write_splits,
)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    """Six pictures of three providers, one after the other."""
    (tmp_path / "pictures").mkdir()
    whole = labelled_pictures(tmp_path / "pictures", "single", ("map", "toy"))
    providers = ("Museum A", "Museum B", "")
    examples = [
        replace(each, provider=providers[number % 3])
        for number, each in enumerate(whole.examples[:6])
    ]
    return replace(whole, examples=tuple(examples))


@pytest.fixture
def table(data: TrainingData, tmp_path: Path) -> Path:
    first, second, third = np.array([0, 3]), np.array([1, 4]), np.array([2, 5])
    folds = [
        Fold(number=0, training=second, validation=third, test=first),
        Fold(number=1, training=first, validation=third, test=second),
    ]
    write_splits(tmp_path / "splits.csv", data, folds)
    return tmp_path / "splits.csv"


def test_a_fold_comes_back(table: Path, data: TrainingData) -> None:
    fold = read_fold(table, 1, data.examples)
    assert (fold.training.tolist(), fold.test.tolist()) == ([0, 3], [1, 4])
    with pytest.raises(ModelError, match="are not the pictures"):
        read_fold(table, 1, data.examples[:-1])


def test_paths_come_back(table: Path, data: TrainingData) -> None:
    assert read_paths(table) == {each.key: each.path.resolve() for each in data.examples}


def test_providers_are_those_that_a_fold_learned_from(table: Path) -> None:
    assert read_providers(table, [0]) == {"Museum B": 2}
    assert read_providers(table, [1]) == {"Museum A": 2}
    assert read_providers(table, [0, 1]) == {"Museum A": 2, "Museum B": 2}


def test_the_pictures_are_those_that_a_model_knows(table: Path, data: TrainingData) -> None:
    known = read_known(table)
    assert data.known_to(known) == [each.key for each in data.examples]
    lines = [line.split(",") for line in table.read_text().splitlines()]
    place = lines[0].index("sha256")
    table.write_text("".join(",".join(c[:place] + c[place + 1 :]) + "\n" for c in lines))
    assert not read_known(table).has_files(each.sha256 for each in data.examples).any()


def test_titles_come_back(data: TrainingData, tmp_path: Path) -> None:
    first = replace(data.examples[0], title="=Map, with a comma")
    fold = Fold(number=0, training=np.arange(5), validation=np.array([5]), test=np.array([], int))
    named = replace(data, examples=(first, *data.examples[1:]))
    write_splits(tmp_path / "splits.csv", named, [fold])
    assert read_titles(tmp_path / "splits.csv") == {first.key: "=Map, with a comma"}


def test_a_provider_has_the_name_that_a_promise_has(data: TrainingData, tmp_path: Path) -> None:
    odd = ("x" * 999, "x" * 998, "Museum\n A", "Museum A ", " ", "\x1b")
    examples = zip(data.examples, odd, strict=True)
    named = replace(data, examples=tuple(replace(each, provider=name) for each, name in examples))
    expected = {"Museum A": 2, "x" * 300: 2}
    assert named.providers == expected
    fold = Fold(number=0, training=np.arange(5), validation=np.array([5]), test=np.array([], int))
    write_splits(tmp_path / "splits.csv", named, [fold])
    assert read_providers(tmp_path / "splits.csv", [0]) == expected
    assert set(read_provider_of(tmp_path / "splits.csv").values()) == expected.keys()


def test_a_table_of_before_names_no_providers(table: Path) -> None:
    lines = [line.split(",") for line in table.read_text().splitlines()]
    place = lines[0].index("provider")
    table.write_text("".join(",".join(c[:place] + c[place + 1 :]) + "\n" for c in lines))
    assert read_providers(table, [0]) == {}


def test_damage_is_said(table: Path) -> None:
    table.write_text("example\nhalf a line")
    with pytest.raises(ModelError, match=r"splits\.csv is damaged"):
        read_paths(table)
