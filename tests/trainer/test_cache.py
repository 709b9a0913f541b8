"""The cache: what is decoded once, and when it is decoded again."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from common.errors import DatasetError
from common.vision.preprocessing import Preprocessing
from tests.trainer.pictures import VOCABULARY, draw_folder
from trainer.cache import KEPT, cached
from trainer.dataset import TrainingData, folder_data

SMALL = Preprocessing(size=32)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    """Twelve pictures."""
    return folder_data(draw_folder(tmp_path / "data", 6), VOCABULARY)


def test_the_pictures_are_those_of_the_examples(data: TrainingData, tmp_path: Path) -> None:
    ready = cached(data, SMALL, tmp_path / "cache")
    assert ready.data == data
    assert ready.pictures.dtype == torch.uint8
    for example, pixels in zip(data.examples, ready.pictures, strict=True):
        with Image.open(example.path) as image:
            assert torch.equal(pixels, SMALL.to_uint8(image))


def test_a_second_time_nothing_is_decoded(data: TrainingData, tmp_path: Path) -> None:
    first = cached(data, SMALL, tmp_path / "cache").pictures.clone()
    for example in data.examples:
        example.path.unlink()
    assert torch.equal(cached(data, SMALL, tmp_path / "cache").pictures, first)


def test_another_size_or_content_is_decoded_anew(data: TrainingData, tmp_path: Path) -> None:
    cached(data, SMALL, tmp_path / "cache")
    assert cached(data, Preprocessing(size=48), tmp_path / "cache").pictures.shape[-1] == 48
    changed = data.examples[0].path
    Image.new("RGB", (32, 32), "red").save(changed)
    again = cached(folder_data(changed.parents[1], VOCABULARY), SMALL, tmp_path / "cache")
    assert again.pictures[0, :, 0, 0].tolist() == [255, 0, 0]


def test_unreadable_pictures_are_left_out_with_their_reason(
    data: TrainingData, tmp_path: Path
) -> None:
    broken, cut, *_ = (example.path for example in data.examples)
    broken.write_bytes(b"no picture")
    cut.write_bytes(cut.read_bytes()[:-40])
    damaged = folder_data(broken.parents[1], VOCABULARY)
    for _ in range(2):  # built, then read
        ready = cached(damaged, SMALL, tmp_path / "cache")
        left_out = {key: part.reason for part in ready.data.left_out for key in part.keys}
        assert set(left_out) == {"map/000.png", "map/001.png"}
        assert all("unreadable" in reason for reason in left_out.values())
        assert len(ready.pictures) == len(ready.data.examples) == 10
        with Image.open(ready.data.examples[0].path) as image:
            assert torch.equal(ready.pictures[0], SMALL.to_uint8(image))


def test_data_without_a_readable_picture_is_an_error(data: TrainingData, tmp_path: Path) -> None:
    for example in data.examples:
        example.path.write_bytes(b"<html>")
    with pytest.raises(DatasetError, match="No picture"):
        cached(data, SMALL, tmp_path / "cache")


def test_old_caches_and_abandoned_halves_are_deleted(data: TrainingData, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cached(data, SMALL, folder)
    abandoned = folder / ".0123.uint8.99.partial"
    abandoned.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    for count in range(1, KEPT + 2):
        cached(replace(data, examples=data.examples[:count]), SMALL, folder)
    assert len(list(folder.glob("*.uint8"))) == KEPT
    assert len(list(folder.glob("*.json"))) == KEPT
    assert not abandoned.exists()
