"""Envelopes: a message of Redis as a stranger sent it, checked before kombu sees it.

Kombu and redis-py believe all that an envelope says, and some of it ends a process: a delivery tag
that is an object, or a number with a type that cannot be read. Others do harm quietly, such as the
tag of somebody else's message. So kombu is given an envelope that is written here: from that of the
sender it has body and headers, once their form is known.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.messages import (
    MAX_BODY,
    UNREADABLE,
    MalformedMessageError,
    check_parts,
    first_problem,
    refuse_types,
)

MAX_LISTED = MAX_BODY * 4 // 3 + (1 << 20)  # bytes, in base64; headers take a few thousand
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


def rewritten(item: bytes, *, tag: str, longest: int) -> bytes:
    """The envelope in our own words, with a delivery tag of ours.

    Raises:
        MalformedMessageError: it is none; says what is wrong without the input.
    """
    if len(item) > longest:
        raise MalformedMessageError(f"the message has more than {longest:,} bytes")
    check_parts(item)
    try:
        content = json.loads(item.decode(), object_hook=refuse_types)
        envelope = _Envelope.model_validate(content)
        ours = envelope.model_dump(by_alias=True)
        ours["properties"] |= {"delivery_tag": tag, "delivery_info": {}}
        return json.dumps(ours).encode()
    except ValidationError as error:
        raise MalformedMessageError(f"it is no message: {first_problem(error)}") from error
    except UNREADABLE as error:
        raise MalformedMessageError(f"it is no message: {type(error).__name__}") from error
