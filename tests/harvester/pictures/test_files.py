"""Files in IMAGE_DIR: what is kept, under which name, and what is cleared away."""

import os
import time

import pytest
from PIL import Image

from common.pictures.decoders import Decoders
from harvester.pictures.files import STALE_SECONDS, PictureFolder, remove_stale_files
from tests.common.fetch.servers import encoded

FORMATS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "GIF": ".gif",
    "JPEG2000": ".jp2",
    "BMP": ".bmp",
}


@pytest.fixture(scope="module")
def decoders():
    with Decoders(1) as decoders:
        yield decoders


@pytest.mark.parametrize("image_format", FORMATS)
def test_an_original_keeps_its_bytes_and_its_kind(tmp_path, decoders, image_format):
    content = encoded(Image.new("RGB", (700, 90), "teal"), image_format)
    stored = PictureFolder(tmp_path, decoders, max_side=None).store(content)
    assert (tmp_path / stored.path).read_bytes() == content
    assert stored.path.endswith(FORMATS[image_format])
    assert (stored.width, stored.height) == (700, 90)


@pytest.mark.parametrize("image_format", FORMATS)
def test_what_is_stored_smaller_is_a_jpeg(tmp_path, decoders, image_format):
    content = encoded(Image.new("RGB", (700, 90), "teal"), image_format)
    stored = PictureFolder(tmp_path, decoders, max_side=350).store(content)
    with Image.open(tmp_path / stored.path) as image:
        assert (image.format, image.size) == ("JPEG", (350, 45))


def test_missing_files_are_found_also_where_whole_folders_are_gone(tmp_path, decoders):
    for path in ("aa/1.jpg", "ab/2.jpg"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    folder = PictureFolder(tmp_path, decoders, max_side=None)
    asked = ["aa/1.jpg", "aa/9.jpg", "ab/2.jpg", "zz/1.jpg"]
    assert list(folder.missing(asked)) == ["aa/9.jpg", "zz/1.jpg"]


def test_half_written_files_are_removed_when_they_are_nobodys_any_more(tmp_path):
    folder = tmp_path / "ab"
    folder.mkdir()
    for name in (".old.partial", ".new.partial", "picture.jpg"):
        (folder / name).touch()
    long_ago = time.time() - STALE_SECONDS - 1
    for name in (".old.partial", "picture.jpg"):
        os.utime(folder / name, (long_ago, long_ago))
    remove_stale_files(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [".new.partial", "picture.jpg"]
