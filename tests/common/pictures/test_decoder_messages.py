"""What a decoder is asked comes as it was sent; its replies are checked."""

import msgspec
import pytest

from common.pictures.decoder_messages import (
    OUTPUT_BYTES,
    DecoderReply,
    DecoderRequest,
    fits,
    packed,
    reply_of,
    request_of,
)
from common.pictures.resize import Square


def test_messages_come_as_they_were_sent():
    square = Square(side=128, resize="crop", kept=0.875)
    request = DecoderRequest(task="pixels", length=7, square=square)
    assert request_of(packed(request)) == request
    assert request.shorter_side == 147
    assert DecoderRequest(task="check", length=7, side=64).shorter_side == 64
    reply = DecoderReply(reason="DAMAGED", detail="no end")
    assert reply_of(packed(reply)) == reply


@pytest.mark.parametrize(
    "said",
    [
        {"length": OUTPUT_BYTES + 1},
        {"length": -1},
        {"new_width": 1 << 40},
        {"width": "many"},
        {"is_square": 1},
        {"reason": "BECAUSE"},
        {"reason": "HOST_SLOW"},
        {"detail": "a" * 1001},
        [1, 2],
    ],
    ids=str,
)
def test_a_reply_that_cannot_be_is_refused(said):
    with pytest.raises(msgspec.ValidationError):
        reply_of(msgspec.msgpack.encode(said))


SQUARE = Square(side=4, resize="squash")
ANSWERS = {
    "pixels": {"length": 24, "new_width": 3, "new_height": 2},
    "file": {"length": 7, "new_width": 3, "new_height": 2},
    "check": {},
}


@pytest.mark.parametrize("task", ANSWERS)
def test_a_reply_fits_what_was_asked(task):
    request = DecoderRequest(task=task, length=1, square=SQUARE)
    original = {"width": 30, "height": 20, "format": "JPEG"}
    right = ANSWERS[task] | original
    assert fits(DecoderReply(**right), request)
    assert fits(DecoderReply(reason="DAMAGED"), request)
    assert fits(DecoderReply(is_too_large=True), request)
    for wrong in (
        *({"width": 0}, {"height": 0}, {"format": "SVG"}),
        *(
            {"reason": "DAMAGED", "length": 1},
            {"length": right.get("length", 0) + 1, "new_width": 0},
        ),
    ):
        assert not fits(DecoderReply(**right | wrong), request)


@pytest.mark.parametrize(
    ("task", "wrong"),
    [
        ("pixels", {}),
        ("pixels", {"length": 24, "new_width": 3, "new_height": 2, "is_square": True}),
        ("file", {"length": 0, "new_width": 3, "new_height": 2}),
    ],
)
def test_a_reply_of_another_size_does_not_fit(task, wrong):
    reply = DecoderReply(width=30, height=20, format="JPEG", **wrong)
    assert not fits(reply, DecoderRequest(task=task, length=1, square=SQUARE))
