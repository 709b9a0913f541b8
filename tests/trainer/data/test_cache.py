"""The cache: what is decoded once, and when it is decoded again."""

import os
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from common.errors import DatasetError, EnrichmentError
from common.vision.preprocessing import Preprocessing
from tests.forking import ran_source
from tests.trainer.pictures import VOCABULARY, draw_folder
from trainer.data.cache import cached, fingerprint
from trainer.data.dataset import TrainingData, folder_data

SMALL = Preprocessing(size=32)
PICTURE = 3 * 32 * 32  # bytes
usage = namedtuple("usage", "total used free")


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


def test_a_damaged_cache_is_decoded_anew(data: TrainingData, tmp_path: Path) -> None:
    first = cached(data, SMALL, tmp_path / "cache").pictures.clone()
    (pixels,) = (tmp_path / "cache").glob("*.uint8")
    pixels.write_bytes(pixels.read_bytes()[:-1])
    assert torch.equal(cached(data, SMALL, tmp_path / "cache").pictures, first)
    (notes,) = (tmp_path / "cache").glob("*.json")
    for damage in ("{", "3", '{"map/000.png": 1}', "[" * 100_000):
        notes.write_text(damage)
        assert torch.equal(cached(data, SMALL, tmp_path / "cache").pictures, first)
    notes.unlink()
    os.mkfifo(notes)
    assert torch.equal(cached(data, SMALL, tmp_path / "cache").pictures, first)


def test_two_sizes_of_the_same_data_lie_beside_each_other(
    data: TrainingData, tmp_path: Path
) -> None:
    broken = data.examples[0]
    broken.path.write_bytes(b"no picture")
    small = cached(data, SMALL, tmp_path / "cache")
    large = cached(small.data, Preprocessing(size=64), tmp_path / "cache")
    assert small.data == large.data
    assert (small.pictures.shape, large.pictures.shape) == ((11, 3, 32, 32), (11, 3, 64, 64))
    assert len(list((tmp_path / "cache").glob("*.uint8"))) == 2


def test_caches_that_were_not_used_for_longest_make_room(
    data: TrainingData, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    abandoned = folder / ".0123.uint8.99.partial"
    folder.mkdir()
    abandoned.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    parts = [replace(data, examples=data.examples[count : count + 4]) for count in range(4)]
    for age, part in enumerate(parts[:3]):
        cached(part, SMALL, folder)
        _date(folder, part, 3 - age)
    cached(parts[0], SMALL, folder)  # used again
    cached(parts[3], SMALL, folder, max_bytes=3 * 4 * PICTURE)
    assert [_is_there(folder, part) for part in parts] == [True, False, True, True]
    assert len(list(folder.glob("*.json"))) == 3
    assert not abandoned.exists()


def test_data_beyond_the_limit_is_refused_before_anything_is_deleted(
    data: TrainingData, tmp_path: Path
) -> None:
    cached(data, SMALL, tmp_path / "cache")
    with pytest.raises(DatasetError, match="a cache has at most 0.00 GB.*--input-size"):
        cached(data, Preprocessing(size=64), tmp_path / "cache", max_bytes=12 * PICTURE)
    assert len(list((tmp_path / "cache").glob("*.uint8"))) == 1


def test_a_disk_that_is_too_small_is_a_message(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without decoding anything first."""
    monkeypatch.setattr("trainer.data.cache.shutil.disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(EnrichmentError, match="--saving-dir on another disk"):
        cached(data, SMALL, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


WITHOUT_ROOM = """
import resource, signal, sys
from pathlib import Path
from common.errors import EnrichmentError
from common.vision.preprocessing import Preprocessing
from tests.trainer.pictures import VOCABULARY
from trainer.data.cache import cached
from trainer.data.dataset import folder_data

data = folder_data(Path(sys.argv[1]), VOCABULARY)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    cached(data, Preprocessing(size=32), Path(sys.argv[2]))
except EnrichmentError as error:
    print(error)
"""


def test_a_disk_that_fills_up_is_a_message_and_leaves_no_part(
    data: TrainingData, tmp_path: Path
) -> None:
    pictures, folder = data.examples[0].path.parents[1], tmp_path / "cache"
    ended = ran_source(WITHOUT_ROOM, str(pictures), str(folder))
    assert ".uint8 cannot be written" in ended.stdout
    assert list(folder.iterdir()) == []


def _pixels(folder: Path, part: TrainingData) -> Path:
    return folder / f"{fingerprint(part.examples, SMALL)}.uint8"


def _is_there(folder: Path, part: TrainingData) -> bool:
    return _pixels(folder, part).exists()


def _date(folder: Path, part: TrainingData, days_ago: int) -> None:
    then = time.time() - days_ago * 24 * 3600
    os.utime(_pixels(folder, part), (then, then))
