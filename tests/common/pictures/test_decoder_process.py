"""A decoder may be anything: somebody's picture may have taken it over."""

import sys
import time
from collections.abc import Callable

import pytest
from PIL import Image

from common.errors import RecordError
from common.pictures import decoder_process as module
from common.pictures.decoders import Decoders
from common.pictures.resize import Square
from tests.common.fetch.servers import encoded
from tests.common.pictures.test_decode import scene
from tests.common.pictures.test_decoders import SIDE, assert_well, children


@pytest.fixture
def little_patience(monkeypatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(module, "STILL_SECONDS", 1.0)


LIES = {
    "nonsense": "channel.send(b'nonsense')",
    "silence": "channel.close(); time.sleep(60)",
    "an unknown reason": "channel.send(msgpack.encode({'reason': 'BECAUSE'}))",
    "another size": "channel.send(packed(DecoderReply(length=400, new_width=9, new_height=9)))",
    "nothing of a picture": "channel.send(packed(DecoderReply()))",
    "nothing of its pixels": (
        "channel.send(packed(DecoderReply(width=9, height=9, format='JPEG')))"
    ),
    "that the host is to blame": "channel.send(msgpack.encode({'reason': 'HOST_SLOW'}))",
    "more than there is": "channel.send(packed(DecoderReply(length=1 << 40)))",
}


@pytest.fixture
def stranger(monkeypatch, tmp_path) -> Callable[[str], None]:
    """Lets decoders be what somebody made of them; `channel` is their end of the socket."""

    def takes_over(deeds: str) -> None:
        program = tmp_path / "decoder"
        program.write_text(
            f"#!{sys.executable}\n"
            "import socket, sys, time\n"
            "from msgspec import msgpack\n"
            "from common.pictures.decoder_messages import DecoderReply, packed\n"
            "channel = socket.socket(fileno=int(sys.argv[4]))\n"
            f"{deeds}\n"
        )
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))

    return takes_over


def crash(decoders: Decoders) -> str:
    """What becomes of the pixels of a good picture."""
    square = Square(side=SIDE, resize="squash")
    with pytest.raises(RecordError) as caught:
        decoders.pixels(encoded(scene()), square, lambda pixels: pixels)
    return caught.value.reason


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize("lie", LIES)
def test_a_decoder_that_lies_fails_the_picture(lie, stranger):
    stranger(f"channel.recv(10_000); {LIES[lie]}; time.sleep(60)")
    others = children()
    with Decoders(1) as decoders:
        assert crash(decoders) == "decoder_crashed"
        assert children() == others


@pytest.mark.usefixtures("little_patience")
def test_a_decoder_that_reads_nothing_fails_pictures_alone(stranger):
    stranger(
        "import fcntl, select, termios\n"
        "asked = select.poll(); asked.register(channel, select.POLLIN)\n"
        "said = packed(DecoderReply(width=9, height=9, format='GIF'))\n"
        "last = -1\n"
        "while True:\n"
        "    asked.poll()\n"
        "    now = int.from_bytes(fcntl.ioctl(channel, termios.FIONREAD, bytes(4)), 'little')\n"
        "    if now != last: channel.send(said)\n"
        "    last = now\n"
    )
    with Decoders(1) as decoders:
        assert first_failure(decoders, 5000) == "decoder_crashed"


def first_failure(decoders: Decoders, tries: int) -> str:
    for _ in range(tries):
        try:
            decoders.check(b"picture", side=SIDE)
        except RecordError as error:
            return error.reason
    return "none"


@pytest.mark.usefixtures("little_patience")
def test_a_decoder_that_works_without_end_is_ended(stranger, monkeypatch):
    monkeypatch.setattr(module, "MOST_SECONDS", 0.3)
    stranger("while True: pass")
    with Decoders(1) as decoders:
        assert crash(decoders) == "decoding_too_long"


def test_what_a_decoder_said_unasked_is_no_reply(stranger):
    stranger(
        "said = packed(DecoderReply(width=9, height=9, format='GIF'))\n"
        "channel.recv(10_000); channel.send(said); channel.send(said); time.sleep(60)"
    )
    others = children()
    with Decoders(1) as decoders:
        assert decoders.check(b"picture", side=SIDE).width == 9
        liar = children() - others
        time.sleep(0.2)  # until it has said it again
        decoders.check(b"picture", side=SIDE)
        assert children().isdisjoint(liar)


@pytest.mark.usefixtures("little_patience")
def test_the_reply_to_a_question_that_was_broken_off_is_nobodys(monkeypatch):
    def broken_off(*_: object) -> int:
        raise KeyboardInterrupt

    square = Square(side=SIDE, resize="squash")
    long = encoded(Image.effect_noise((4000, 4000), 90), "PNG")
    with Decoders(1) as decoders:
        assert_well(decoders)
        with monkeypatch.context() as patched:
            patched.setattr(module, "_ticks", broken_off)
            with pytest.raises(KeyboardInterrupt):
                decoders.pixels(long, square, lambda _: None)
        red = encoded(Image.new("RGB", (300, 200), "red"), "PNG")
        assert decoders.pixels(red, square, lambda pixels: bytes(pixels.rows[:3])) == b"\xff\0\0"
