"""What a decoder is asked comes as it was sent; what it answers is checked."""

import msgspec
import pytest

from common.pictures.decoder_messages import (
    OUTPUT_BYTES,
    DecoderAnswer,
    DecoderRequest,
    answer_of,
    packed,
    request_of,
)
from common.pictures.resize import Square


def test_messages_come_as_they_were_sent():
    square = Square(side=128, resize="crop", kept=0.875)
    request = DecoderRequest(task="pixels", length=7, square=square)
    assert request_of(packed(request)) == request
    assert request.shorter_side == 147
    assert DecoderRequest(task="check", length=7, side=64).shorter_side == 64
    answer = DecoderAnswer(reason="DAMAGED", detail="no end")
    assert answer_of(packed(answer)) == answer


@pytest.mark.parametrize(
    "said",
    [
        {"length": OUTPUT_BYTES + 1},
        {"length": -1},
        {"new_width": 1 << 40},
        {"width": "many"},
        {"is_square": 1},
        {"reason": "BECAUSE"},
        {"detail": "a" * 1001},
        [1, 2],
    ],
    ids=str,
)
def test_an_answer_that_cannot_be_is_refused(said):
    with pytest.raises(msgspec.ValidationError):
        answer_of(msgspec.msgpack.encode(said))
