"""Decoding in processes that may die: a hostile picture costs itself, and no neighbour."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from common.errors import RecordError
from common.pictures import decoder_process as module
from common.pictures.decode import decode
from common.pictures.decoder import pixel_rows
from common.pictures.decoders import Decoders, Pixels
from common.pictures.resize import Square, within
from deploy.sandbox.hosts.bombs import jpeg_bombs, tile_bomb
from tests.common.fetch.servers import encoded
from tests.common.pictures.test_decode import scene

FORMATS = ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "JPEG2000", "BMP")
SIDE = 64
SQUARE = Square(side=SIDE, resize="squash")


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders(2) as decoders:
        yield decoders


def reason(decoders: Decoders, content: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        decoders.pixels(content, SQUARE, told)
    assert caught.value.stage == "decode"
    return caught.value.reason


def assert_well(decoders: Decoders) -> None:
    good = encoded(scene(), "JPEG")
    assert decoders.check(good, side=SIDE).width == 640


@pytest.mark.parametrize("name", FORMATS)
def test_the_pixels_are_those_that_this_process_would_decode(decoders, name):
    content = encoded(scene(), name)
    expected = decode(content, shorter_side=SIDE).image
    found = decoders.pixels(content, SQUARE, lambda pixels: (*told(pixels), bytes(pixels.rows)))
    assert found == (expected.width, expected.height, False, pixel_rows(expected))


def test_a_very_long_picture_is_given_as_a_square(decoders):
    content = encoded(Image.new("RGB", (60_000, 100), "red"), "PNG")
    assert decoders.pixels(content, SQUARE, told) == (SIDE, SIDE, True)


def told(pixels: Pixels) -> tuple[int, int, bool]:
    return pixels.width, pixels.height, pixels.is_square


def rows_of(pixels: Pixels) -> bytes:
    return bytes(pixels.rows)


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "RGBA", "LA", "I;16", "1"])
def test_pictures_of_unusual_pixels_are_decoded(decoders, mode):
    content = encoded(scene(mode="RGB").convert(mode if mode != "I;16" else "L"), "TIFF")
    expected = pixel_rows(decode(content, shorter_side=SIDE).image)
    assert decoders.pixels(content, SQUARE, rows_of) == expected


def test_a_large_picture_becomes_a_smaller_file(decoders):
    content = encoded(scene(), "PNG")
    found = decoders.file(content, longest_side=100)
    assert (found.new_width, found.new_height) == (100, 62)
    stored = Image.open(BytesIO(found.content))
    assert (stored.format, stored.size) == ("JPEG", within(scene(), 100).size)


def test_a_small_file_is_stored_as_it_came_unless_its_format_is_rare(decoders):
    assert decoders.file(encoded(scene(80, 60), "PNG"), longest_side=100).content == b""
    assert decoders.file(encoded(scene(80, 60), "TIFF"), longest_side=100).content != b""


def test_a_picture_can_be_checked_only(decoders):
    found = decoders.check(encoded(scene(), "GIF"), side=32)
    assert (found.content, found.width, found.height, found.format) == (b"", 640, 400, "GIF")


def hostile_files() -> dict[str, tuple[bytes, set[str]]]:
    """Files by what they try, and the reasons that may become of them."""
    small = encoded(scene(64, 64), "JPEG")
    return {kind: (content, {"damaged", "truncated"}) for kind, content in jpeg_bombs()} | {
        "bytes and two million segments": (
            b"\xff\xd8\xff\xe1\x00\x00" + b"-\xff\xe1\x00\x00" * 2_000_000 + small[2:],
            {"damaged"},
        ),
        "two million markers without a length": (
            b"\xff\xd8" + b"\xff\xd8" * 2_000_000 + small[2:],
            {"damaged"},
        ),
        "90 MB between two segments": (
            b"\xff\xd8\xff\xe1\x00\x02" + b"-" * 90_000_000 + small[2:],
            {"decoding_too_long"},
        ),
        "a tile of 25,000 squared": (tile_bomb(), {"damaged", "too_much_memory"}),
    }


@pytest.mark.parametrize("what", hostile_files())
def test_a_hostile_file_costs_little_and_itself_alone(decoders, what):
    content, reasons = hostile_files()[what]
    began = time.process_time()
    assert reason(decoders, content) in reasons
    assert time.process_time() - began < 1.0  # of this process
    assert_well(decoders)


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("PNG", 13_000),
        ("JPEG", 25_000),
        pytest.param("JPEG2000", 8000, marks=pytest.mark.slow),
        pytest.param("WEBP", 6400, marks=pytest.mark.slow),
    ],
)
def test_a_large_picture_is_decoded_in_bounded_memory(decoders, name, width):
    content = encoded(Image.new("RGB", (width, 10_000), "red"), name)
    assert decoders.pixels(content, SQUARE, rows_of)[0] > 250
    assert memory_of_children() < 1500 << 20


def test_pictures_that_are_damaged_at_random_end_with_a_reason(decoders):
    chance = random.Random(0)
    for name in FORMATS:
        whole = encoded(scene(), name)
        for _ in range(20):
            content = bytearray(whole)
            for _ in range(chance.randint(1, 30)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            with suppress(RecordError):
                decoders.pixels(bytes(content), SQUARE, told)
    assert_well(decoders)


def children() -> set[int]:
    """The decoders of this process, whichever thread started them."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            is_decoder = b"pictures.decoder" in (stat.parent / "cmdline").read_bytes()
            if parent == os.getpid() and is_decoder:
                found.add(int(stat.parent.name))
    return found


def memory_of_children() -> int:
    """The most that one of the decoders has used, in bytes."""
    peaks = [Path(f"/proc/{child}/status").read_text().split("VmHWM:")[1] for child in children()]
    return max(int(peak.split()[0]) << 10 for peak in peaks)


def test_a_killed_decoder_is_started_again():
    others = children()
    with Decoders(1) as decoders:
        assert_well(decoders)
        (child,) = children() - others
        os.kill(child, signal.SIGKILL)
        assert_well(decoders)
        assert child not in children()
    assert children() == others


@pytest.fixture
def little_patience(monkeypatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(module, "STILL_SECONDS", 1.0)


@pytest.mark.usefixtures("little_patience")
def test_a_picture_is_decoded_by_another_decoder_when_the_first_stands_still():
    others = children()
    with Decoders(1) as decoders:
        assert_well(decoders)
        (child,) = children() - others
        os.kill(child, signal.SIGSTOP)
        assert_well(decoders)
        assert child not in children()


@contextmanager
def all_decoders_stopped(others: set[int]) -> Iterator[set[int]]:
    """Each decoder but the others stops at once; who was stopped."""
    stopped: set[int] = set()
    over = threading.Event()

    def stop() -> None:
        while not over.wait(0.005):
            for child in children() - others - stopped:
                os.kill(child, signal.SIGSTOP)
                stopped.add(child)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield stopped
    finally:
        over.set()
        thread.join()


def failure(decoders: Decoders) -> str:
    """Why a picture fails at last: on a busy machine a decoder may be done before it is stopped."""
    picture = encoded(scene(), "JPEG")
    for _ in range(50):
        try:
            decoders.check(picture, side=SIDE)
        except RecordError as error:
            return error.reason
    return "none"


@pytest.mark.usefixtures("little_patience")
def test_a_picture_fails_when_a_second_decoder_stands_still():
    others = children()
    with Decoders(1) as decoders:
        with all_decoders_stopped(others) as stopped:
            assert failure(decoders) == "decoding_too_long"
            assert len(stopped) >= 2
        assert_well(decoders)


def test_threads_get_the_pictures_that_they_gave(decoders):
    pictures = [encoded(Image.new("RGB", (300, 200), (n, 0, 255 - n)), "PNG") for n in range(64)]

    def colour(content: bytes) -> int:
        return decoders.pixels(content, SQUARE, rows_of)[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(colour, pictures)) == list(range(64))


def test_a_decoder_opens_no_file_and_no_socket():
    others = children()
    with Decoders(1) as decoders:
        assert_well(decoders)
        (child,) = children() - others
        limits = Path(f"/proc/{child}/limits").read_text()
        assert limits.split("Max file size")[1].split()[0] == "0"
        assert limits.split("Max open files")[1].split()[0] == "0"


def test_decoders_end_with_the_process_that_started_them(tmp_path):
    program = (
        "import os, signal\n"
        "from common.pictures.decoders import Decoders\n"
        "from tests.common.pictures.test_decoders import assert_well, children\n"
        "decoders = Decoders(1)\n"
        "assert_well(decoders)\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(*children()))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    child = Path("/proc") / (tmp_path / "child").read_text()
    deadline = time.monotonic() + 60
    while child.exists() and "zombie" not in (child / "status").read_text():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)
