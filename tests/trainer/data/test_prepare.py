"""From labelled files to folds: what is decoded, what is kept together, what is said."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from common.errors import DatasetError, UsageError
from tests.trainer.pictures import VOCABULARY, draw_folder
from trainer.data.dataset import TrainingData, folder_data
from trainer.data.prepare import COPY, DOUBTFUL, NEAR_DUPLICATE, Prepared, prepare
from trainer.settings import TrainingSettings

SETTINGS = TrainingSettings(folds=3, input_size=32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fifteen maps and fifteen toys."""
    return draw_folder(tmp_path / "data", 15)


def _prepared(
    data: TrainingData, tmp_path: Path, settings: TrainingSettings = SETTINGS
) -> Prepared:
    return prepare(data, settings, tmp_path / "cache", Console())


def _given_by(data: TrainingData, *providers: str) -> TrainingData:
    """Each example from one of the providers in turn."""
    return replace(
        data,
        examples=tuple(
            replace(example, provider=providers[number % len(providers)])
            for number, example in enumerate(data.examples)
        ),
    )


def _compressed_copy(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        image.save(target, quality=60)


def test_the_same_data_and_seed_give_the_same_folds(folder: Path, tmp_path: Path) -> None:
    data = folder_data(folder, VOCABULARY)
    one, same = (_prepared(data, tmp_path).folds for _ in range(2))
    other = _prepared(data, tmp_path, SETTINGS.changed(seed=1)).folds
    assert str(one) == str(same)
    assert str(one) != str(other)
    assert sorted(np.concatenate([fold.test for fold in one])) == list(range(30))


def test_copies_and_near_duplicates_are_in_one_part_and_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(folder / "map" / "000.png", folder / "map" / "copy.png")
    _compressed_copy(folder / "toy" / "001.png", folder / "toy" / "smaller.jpg")
    prepared = _prepared(folder_data(folder, VOCABULARY), tmp_path)
    position = {e.key: i for i, e in enumerate(prepared.cached.data.examples)}
    for fold in prepared.folds:
        parts = fold.part_of(len(position))
        assert parts[position["map/000.png"]] == parts[position["map/copy.png"]]
        assert parts[position["toy/001.png"]] == parts[position["toy/smaller.jpg"]]
    assert [each.finding for each in prepared.near_duplicates] == [NEAR_DUPLICATE] * 2 + [COPY] * 2
    assert (
        "2 x near-duplicates, kept in one part: toy/001.png, toy/smaller" in capsys.readouterr().out
    )


def test_near_duplicates_in_two_categories_are_pointed_out(folder: Path, tmp_path: Path) -> None:
    _compressed_copy(folder / "toy" / "001.png", folder / "map" / "toy.jpg")
    prepared = _prepared(folder_data(folder, VOCABULARY), tmp_path)
    assert {(each.example, each.finding, each.like) for each in prepared.near_duplicates} == {
        ("map/toy.jpg", DOUBTFUL, "toy/001.png (toy)"),
        ("toy/001.png", DOUBTFUL, "map/toy.jpg (map)"),
    }


def test_unreadable_pictures_are_said_and_count_for_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        (folder / "toy" / f"{number:03}.png").write_bytes(b"\x89PNG" + bytes(number))
    prepared = _prepared(folder_data(folder, VOCABULARY), tmp_path)
    assert prepared.cached.data.counts == [15, 9]
    assert "6 x left out, picture unreadable" in capsys.readouterr().out
    for number in range(6, 9):
        (folder / "toy" / f"{number:03}.png").write_bytes(b"\x89PNG" + bytes(number))
    with pytest.raises(DatasetError, match=r"8 different pictures.*toy \(6\)"):
        _prepared(folder_data(folder, VOCABULARY), tmp_path)


def test_near_duplicates_do_not_make_a_category_large_enough(folder: Path, tmp_path: Path) -> None:
    first = (folder / "toy" / "000.png").read_bytes()
    for number in range(1, 15):
        (folder / "toy" / f"{number:03}.png").write_bytes(first + bytes(number))
    with pytest.raises(DatasetError, match="no picture of toy for .*near-duplicates"):
        _prepared(folder_data(folder, VOCABULARY), tmp_path)


def test_each_provider_is_tested_by_folds_that_learned_from_the_others(
    folder: Path, tmp_path: Path
) -> None:
    data = _given_by(folder_data(folder, VOCABULARY), "A", "B", "C")
    prepared = _prepared(data, tmp_path, SETTINGS.changed(group_by="provider"))
    examples = prepared.cached.data.examples
    of_parts = [
        [{examples[i].provider for i in part} for part in (f.training, f.validation, f.test)]
        for f in prepared.folds
    ]
    assert sorted(sorted(tested) for *_, tested in of_parts) == [["A"], ["B"], ["C"]]
    assert all(
        training | validation == {*"ABC"} - tested for training, validation, tested in of_parts
    )


def test_records_without_provider_are_left_out_where_providers_count(
    folder: Path, tmp_path: Path
) -> None:
    data = _given_by(folder_data(folder, VOCABULARY), "A", "B", "C", "A", "")
    prepared = _prepared(data, tmp_path, SETTINGS.changed(group_by="provider"))
    (left_out,) = prepared.cached.data.left_out
    assert left_out.reason == "record without a data provider"
    assert len(left_out.keys) == 6
    with pytest.raises(UsageError, match="has no data providers"):
        _prepared(_given_by(data, ""), tmp_path, SETTINGS.changed(group_by="provider"))


def test_multi_label_data_is_divided_by_every_label(folder: Path, tmp_path: Path) -> None:
    data = folder_data(folder, VOCABULARY)
    both = [replace(e, labels=(0, 1)) if i % 4 == 0 else e for i, e in enumerate(data.examples)]
    multi = replace(data, kind="multi", examples=tuple(both))
    prepared = _prepared(multi, tmp_path, SETTINGS.changed(kind="multi"))
    for fold in prepared.folds:
        tested = multi.targets[fold.test].sum(axis=0)
        assert np.abs(tested - multi.targets.sum(axis=0) / 3).max() < 2, tested
