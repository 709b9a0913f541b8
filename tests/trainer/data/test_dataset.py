"""Training data from a folder, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import DatasetError, UsageError
from tests.trainer.pictures import VOCABULARY, draw_folder
from trainer.data.dataset import Example, TrainingData, folder_data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten maps and ten toys."""
    return draw_folder(tmp_path / "data", 10)


def test_categories_are_the_sub_folders_in_alphabetical_order(folder: Path) -> None:
    data = folder_data(folder, VOCABULARY)
    assert data.categories == ("map", "toy")
    assert data.concept_uris == (VOCABULARY["map"], VOCABULARY["toy"])
    assert data.counts == [10, 10]
    assert data.examples[0].key == "map/000.png"


def test_the_fingerprint_changes_with_the_content_and_not_with_the_place(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    before = folder_data(folder, VOCABULARY).fingerprint
    assert folder_data(tmp_path / "copy", VOCABULARY).fingerprint == before
    (tmp_path / "copy" / "toy" / "000.png").write_bytes(b"another picture")
    assert folder_data(tmp_path / "copy", VOCABULARY).fingerprint != before


def test_a_picture_in_two_categories_is_left_out_of_both(folder: Path) -> None:
    shutil.copy(folder / "map" / "003.png", folder / "toy" / "copy.png")
    data = folder_data(folder, VOCABULARY)
    assert data.counts == [9, 10]
    (left_out,) = data.left_out
    assert left_out.keys == ("map/003.png", "toy/copy.png")
    assert left_out.details == ("like toy/copy.png (toy)", "like map/003.png (map)")


def test_a_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        folder_data(tmp_path / "gone", VOCABULARY)


def test_a_sub_folder_without_concept_is_named(folder: Path) -> None:
    (folder / "jewelery").mkdir()
    with pytest.raises(UsageError, match="no concept for jewelery"):
        folder_data(folder, VOCABULARY)


def test_an_empty_category_is_named(folder: Path) -> None:
    (folder / "textile").mkdir()
    with pytest.raises(DatasetError, match="textile is empty"):
        folder_data(folder, VOCABULARY)


def _multi(*labels: tuple[int, ...]) -> TrainingData:
    examples = (
        Example(key=f"/1/{number}", path=Path("none.jpg"), labels=each, sha256=str(number))
        for number, each in enumerate(labels)
    )
    return TrainingData(
        source="here",
        kind="multi",
        categories=("map", "toy", "textile"),
        concept_uris=("http://c/1", "http://c/2", "http://c/3"),
        picture_source="thumbnail",
        examples=tuple(examples),
    )


def test_targets_have_a_row_for_each_example_and_a_column_for_each_category() -> None:
    data = _multi((0, 2), (1,), (2,))
    assert data.targets.tolist() == [
        [True, False, True],
        [False, True, False],
        [False, False, True],
    ]
    assert data.counts == [1, 1, 2]


@pytest.mark.parametrize("labels", [((0, 1), (1,)), ((0,), (0, 1))])
def test_the_fingerprint_changes_with_the_labels(labels: tuple[tuple[int, ...], ...]) -> None:
    assert _multi(*labels).fingerprint != _multi((0,), (1,)).fingerprint


def test_copies_with_the_same_labels_are_no_contradiction() -> None:
    data = _multi((0, 2), (0, 2), (0,))
    same = replace(data, examples=tuple(replace(e, sha256="a") for e in data.examples[:2]))
    assert same.without_contradictions() == same
    other = replace(data, examples=tuple(replace(e, sha256="a") for e in data.examples))
    assert other.without_contradictions().examples == ()
