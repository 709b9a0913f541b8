"""Mutated messages of the broker."""

import json
import re

import pytest
from kombu.message import Message

from common.messages import MalformedMessageError, check_message
from common.store.refused_messages import RefusedMessages
from tests.fuzz.trying import TIMEOUT, try_mutations

pytestmark = [pytest.mark.slow, pytest.mark.fuzz, pytest.mark.timeout(TIMEOUT)]
HEADERS = {
    "task": "worker.submit",
    "id": "0b8f3c0e-6d3b-4a53-9ac5-4f2a6f5ce7c4",
    "root_id": None,
    "retries": 0,
    "timelimit": [None, 10],
    "eta": "2026-11-25T10:00:00+00:00",
    "expires": None,
    "group": None,
    "lang": "py",
}
BODY = [[["/1/a", "/1/b"]], {"idempotency_key": "k"}, {"callbacks": None, "chain": None}]
SPLIT = b"\0\0\0\0"
SEEDS = (
    json.dumps(HEADERS).encode() + SPLIT + json.dumps(BODY).encode(),
    json.dumps({"task": "t", "id": "i"}).encode() + SPLIT + b"[[], {}, null]",
    json.dumps(HEADERS | {"eta": 1e10, "group": "g"}).encode() + SPLIT + b"[[1e9], {}, {}]",
)


def try_one(content: bytes) -> None:
    text, _, body = content.partition(SPLIT)
    try:
        headers = json.loads(text)
    except (ValueError, RecursionError):
        headers = {}
    if not isinstance(headers, dict):  # kombu makes no message of these; see `_CheckedChannel`
        headers = {"task": headers, "id": text.decode("latin-1")}
    message = Message(
        body=body, content_type="application/json", content_encoding="utf-8", headers=headers
    )
    try:
        check_message(message)
    except MalformedMessageError as error:
        assert len(str(error)) < 10_000
        try_putting_aside(body, str(error), headers=headers)
    else:
        args, kwargs, _ = json.loads(body)
        assert isinstance(args, list)
        assert isinstance(kwargs, dict)


def try_putting_aside(body: bytes, problem: str, *, headers: dict[str, object]) -> None:
    messages = RefusedMessages()
    messages.add(body, problem=problem, queue=headers.get("task"), headers=headers)
    (kept,) = messages.take()
    told = kept.queue + json.dumps(kept.headers)
    assert re.fullmatch(r"[\w.@ \":,{}-]*", told, re.ASCII)
    assert len(told) < 2_000


def test_a_mutated_message_is_sound_or_refused() -> None:
    try_mutations(SEEDS, try_one, seconds_each=5)
