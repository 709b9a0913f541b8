"""Training data from a folder, and what is refused."""

import shutil
from pathlib import Path

import pytest

from common.errors import DatasetError, UsageError
from tests.trainer.pictures import VOCABULARY, draw_folder
from trainer.dataset import check_trainable, examples_needed, folder_data


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
    assert data.left_out[0].keys == ("map/003.png", "toy/copy.png")


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


def test_one_category_is_not_enough(tmp_path: Path) -> None:
    data = folder_data(draw_folder(tmp_path, 10, ("map",)), VOCABULARY)
    with pytest.raises(DatasetError, match="at least two"):
        check_trainable(data, folds=2)


def test_copies_do_not_make_a_category_large_enough(folder: Path) -> None:
    for number in range(1, 10):
        shutil.copy(folder / "toy" / "000.png", folder / "toy" / f"{number:03}.png")
    with pytest.raises(DatasetError, match=r"toy \(1\)"):
        check_trainable(folder_data(folder, VOCABULARY), folds=2)


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
