"""Envelopes: a message of Redis as a stranger sent it, checked before kombu sees it.

Kombu and redis-py believe all that an envelope says, and some of it ends a process: a delivery tag
that is an object, or a number with a type that cannot be read. Others do harm quietly, such as the
tag of somebody else's message. So kombu is given an envelope that is written here: from that of the
sender it has body and headers, once their form is known.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.messages import (
    MAX_BODY,
    UNREADABLE,
    MalformedMessageError,
    check_parts,
    first_problem,
    refuse_types,
)

MAX_LISTED = MAX_BODY * 4 // 3 + (1 << 20)  # bytes, in base64; headers take a few thousand
MAX_KEPT = MAX_LISTED + 1024  # bytes; with the name of the queue
MAX_PUBLISHED = 64 << 10  # bytes; a wake-up takes one thousand


class _Properties(BaseModel):
    """Kombu knows of no others than the two encodings."""

    model_config = ConfigDict(strict=True, extra="ignore")

    body_encoding: Literal["base64", "utf-8"] | None = None


class _Envelope(BaseModel):
    """https://docs.celeryq.dev/projects/kombu/en/stable/reference/kombu.transport.virtual.html"""

    model_config = ConfigDict(strict=True, extra="ignore")

    body: str
    content_type: Annotated[str, Field(alias="content-type")]
    content_encoding: Annotated[str, Field(alias="content-encoding")]
    headers: dict[str, Any]
    properties: _Properties


# What kombu keeps of a message in work: the envelope, an exchange, and the queue that it came from.
_Queue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,255}$")]
_KEPT = TypeAdapter(tuple[_Envelope, Any, _Queue])


def rewritten(item: bytes, *, tag: str, longest: int) -> bytes:
    """The envelope in our own words, with a delivery tag of ours.

    Raises:
        MalformedMessageError: it is none; says what is wrong without the input.
    """
    with _reading(item, longest) as content:
        return json.dumps(_ours(_Envelope.model_validate(content), tag)).encode()


def rewritten_in_work(item: bytes, *, tag: str) -> bytes:
    """What is kept of a message in work, in our own words: it goes to its queue, by no exchange.

    Raises:
        MalformedMessageError: it is none; says what is wrong without the input.
    """
    with _reading(item, MAX_KEPT) as content:
        envelope, _, queue = _KEPT.validate_python(content)
        return json.dumps([_ours(envelope, tag), "", queue]).encode()


def _ours(envelope: _Envelope, tag: str) -> dict[str, Any]:
    ours = envelope.model_dump(by_alias=True)
    ours["properties"] |= {"delivery_tag": tag, "delivery_info": {}}
    return ours


@contextmanager
def _reading(item: bytes, longest: int) -> Iterator[object]:
    """The JSON of a message; what cannot be read in the block is malformed."""
    if len(item) > longest:
        raise MalformedMessageError(f"the message has more than {longest:,} bytes")
    check_parts(item)
    try:
        yield json.loads(item.decode(), object_hook=refuse_types)
    except ValidationError as error:
        raise MalformedMessageError(f"it is no message: {first_problem(error)}") from error
    except UNREADABLE as error:
        raise MalformedMessageError(f"it is no message: {type(error).__name__}") from error
