"""What is said between a decoder and the one who asks it: a message is one packet, MessagePack.

Untrusted bytes may have taken a decoder over. So its replies are checked like any input.
"""

import math
from typing import Annotated, Literal

import msgspec

from common.pictures.decode import FORMATS
from common.pictures.jpeg import BYTES_A_PIXEL
from common.pictures.resize import Square
from common.reasons import Reason, Stage

INPUT_BYTES = 101 << 20  # a picture has at most 100 million
OUTPUT_BYTES = 64 << 20
MESSAGE_BYTES = 16 << 10  # of a packet, at most
DETAIL_CHARACTERS = 1000  # of what a library says of a failure

# Others may ask for another attempt, and a hostile picture could have one after the other.
_REASONS = frozenset(reason.name for reason in Reason if reason.stage is Stage.DECODE)
_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]


class DecoderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the first `length` bytes of the input.

    `pixels`: decode, for a square that the one who asks makes; if the pixels are more than
    MOST_PIXELS, as those of a very long picture, the decoder makes it.
    `file`: decode, and write a JPEG whose longer side has at most `side` pixels, unless the file
    is small enough to be stored as it came.
    `check`: decode only.
    """

    task: Literal["pixels", "file", "check"]
    length: int
    side: int = 0
    square: Square | None = None

    @property
    def shorter_side(self) -> int:
        return math.ceil(self.square.side / self.square.kept) if self.square else self.side


class DecoderReply(msgspec.Struct, frozen=True, kw_only=True):
    """The first `length` bytes of the output are the result, or `reason` names a failure.

    Width and height are those of the original, upright, and `new_` those of the result, which
    `is_square` if it was resized to the square that was asked for.
    """

    length: Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_BYTES)] = 0
    width: _Count = 0
    height: _Count = 0
    format: str = ""
    new_width: _Count = 0
    new_height: _Count = 0
    is_square: bool = False
    is_too_large: bool = False  # for this decoder
    reason: str = ""
    detail: Annotated[str, msgspec.Meta(max_length=DETAIL_CHARACTERS)] = ""

    def __post_init__(self) -> None:
        if self.reason and self.reason not in _REASONS:
            raise ValueError("no reason of decoding")


def fits(reply: DecoderReply, request: DecoderRequest) -> bool:
    if reply.reason or reply.is_too_large:
        return reply.length == 0
    if not (reply.width and reply.height and reply.format in FORMATS):
        return False
    pixels = reply.new_width * reply.new_height
    side = request.square.side if request.square else 0
    is_square = reply.new_width == reply.new_height == side
    match request.task:
        case "pixels":
            is_size_right = is_square or not reply.is_square
            return reply.length == BYTES_A_PIXEL * pixels > 0 and is_size_right
        case "file":
            return (reply.length > 0) == (pixels > 0)
        case "check":
            return reply.length == 0


packed = msgspec.msgpack.Encoder().encode
request_of = msgspec.msgpack.Decoder(DecoderRequest).decode
reply_of = msgspec.msgpack.Decoder(DecoderReply).decode
"""The reply in a packet. Raises msgspec.MsgspecError: it is none."""
