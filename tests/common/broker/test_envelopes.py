"""Envelopes of strangers reach a process that listens; what is kept of a proper one."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.broker.envelopes import MAX_LISTED, rewritten
from common.messages import MAX_BODY, MalformedMessageError
from tests.common.broker.listening import Listening
from tests.common.test_messages import envelope

VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, -1, 10**400, 1e999, "", "\ud800", "x" * 70_000])
    | st.sampled_from(["base64", "utf-8", "zlib", "application/x-python-serialize", "a\x06\x163"])
    | st.sampled_from(
        [{"__type__": kind, "__value__": "x"} for kind in ("decimal", "uuid", "bytes", "date", [])]
    )
    | st.text(max_size=5)
    | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PLACES = st.sampled_from(
    [
        *([name] for name in ("body", "headers", "properties", "content-type", "content-encoding")),
        *(
            ["properties", name]
            for name in ("delivery_tag", "delivery_info", "body_encoding", "priority", "reply_to")
        ),
        *(["properties", "delivery_info", name] for name in ("exchange", "routing_key")),
        *(["headers", name] for name in ("task", "id", "compression", "eta", "retries", "expires")),
    ]
)
REMOVE = object()
CHANGES = st.lists(st.tuples(PLACES, VALUES | st.just(REMOVE)), min_size=1, max_size=3)


def changed(message: dict[str, Any], changes: list[tuple[list[str], Any]]) -> bytes:
    for (*path, name), value in changes:
        place: Any = message
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            continue
        if value is REMOVE:
            place.pop(name, None)
        else:
            place[name] = value
    return json.dumps(message).encode()


@given(st.lists(CHANGES, min_size=10, max_size=30), st.integers(0, 3_000))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
def test_a_process_outlives_every_envelope(
    listener: Listening, several: list[list[tuple[list[str], Any]]], cut: int
) -> None:
    for changes in several:
        for task in ("probe.task", "probe.heard"):
            message = changed(json.loads(envelope(task=task)), changes)
            listener.push(message, message[:cut])
            listener.publish(message, message[:cut])
    listener.assert_hears_both()


def test_a_proper_envelope_keeps_body_and_headers_and_nothing_else() -> None:
    sent = json.loads(envelope(b'[["x"], {}, null]'))
    sent["properties"] |= {"reply_to": "elsewhere", "priority": 9}
    found = json.loads(rewritten(json.dumps(sent).encode(), tag="ours", longest=MAX_LISTED))
    assert found.pop("properties") == {
        "body_encoding": "base64",
        "delivery_tag": "ours",
        "delivery_info": {},
    }
    assert found == {name: sent[name] for name in found}
    assert base64.b64decode(found["body"]) == b'[["x"], {}, null]'


def test_a_body_of_the_greatest_length_fits_into_an_envelope() -> None:
    assert len(envelope(b" " * MAX_BODY)) < MAX_LISTED - 900_000


def test_a_list_of_a_hundred_thousand_addresses_is_read() -> None:
    ids = [f"https://www.europeana.eu/item/2048128/{number:0200}" for number in range(100_000)]
    item = envelope(json.dumps([[ids], {}, None]).encode()).encode()
    assert rewritten(item, tag="ours", longest=MAX_LISTED)


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (b"", "it is no message: JSONDecodeError"),
        (b"{}", "it is no message: body: it is missing"),
        (b"x" * 101, "the message has more than 100 bytes"),
    ],
)
def test_a_problem_is_told_without_the_input(item: bytes, problem: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        rewritten(item, tag="ours", longest=100)
    assert str(caught.value) == problem
