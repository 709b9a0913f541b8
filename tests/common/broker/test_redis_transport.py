"""Strangers write to lists and channels of Redis: nothing ends who listens, or makes it deaf."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local import Services
from tests.common.broker.listening import THREADS, Listening, listening, said
from tests.common.test_messages import QUEUE, envelope, peak_memory

pytestmark = pytest.mark.slow

MIB = 1 << 20
SOON = timedelta(seconds=100)


def later(wait: timedelta) -> str:
    return (datetime.now(UTC) + wait).isoformat()


def with_properties(message: str, **properties: object) -> str:
    found = json.loads(message)
    found["properties"] |= properties
    return json.dumps(found)


@pytest.mark.parametrize(
    "tag", [{}, {"a": 1}, None, True, 7, ["x"], "", "x" * 100_000, "\ud800"], ids=lambda tag: "tag"
)
def test_no_delivery_tag_ends_a_process(listener: Listening, tag: object) -> None:
    listener.push(with_properties(said("x"), delivery_tag=tag))
    listener.publish(with_properties(said("x", task="probe.heard"), delivery_tag=tag))
    listener.assert_hears_both()


def test_no_type_of_kombu_ends_a_process(listener: Listening) -> None:
    """The error of this one is no ValueError."""
    wrong = {"__type__": "decimal", "__value__": "x"}
    listener.push(with_properties(said("x"), priority=wrong))
    listener.publish(with_properties(said("x"), priority=wrong))
    listener.assert_hears_both()
    assert listener.refused() == 2


def test_no_message_acknowledges_another_one(listener: Listening) -> None:
    listener.push(said("in work", task="probe.lasts"))
    listener.wait_for("in work")
    while len(listener.in_work()) != 1:
        time.sleep(0.05)
    (tag,) = listener.in_work()
    listener.publish(with_properties(said("heard", task="probe.heard"), delivery_tag=tag))
    listener.wait_for("heard")
    listener.push(with_properties(said("listed"), delivery_tag=tag))
    listener.wait_for("listed")
    time.sleep(1)  # for what would be acknowledged
    assert listener.in_work() == {tag}


def test_a_message_for_a_far_time_is_refused_and_a_near_one_is_for_now(listener: Listening) -> None:
    listener.push(said("x", eta=later(timedelta(minutes=9))))
    listener.push(*[said(f"soon {number}", eta=later(SOON)) for number in range(40)])
    awaited = {f"soon {number}" for number in range(40)}  # threads say them in any order
    for line in listener.lines():
        awaited.discard(line)
        if not awaited:
            break
    listener.assert_hears_both()
    assert listener.refused() == 1


def test_who_has_as_many_messages_as_may_be_is_woken_and_idle(listener: Listening) -> None:
    listener.push(*[said("in work", task="probe.lasts") for _ in range(THREADS + 5)])
    while len(listener.in_work()) < THREADS:
        time.sleep(0.05)
    listener.publish(said(task="probe.woken"))
    listener.wait_for("woken")
    began = listener.ticks()
    time.sleep(3)
    assert listener.ticks() - began < 60  # hundredths of a second; a busy loop takes 300


def test_a_large_message_is_refused_unread(listener: Listening) -> None:
    listener.push(envelope(b" " * (40 * MIB)))
    listener.publish(said("x" * 100_000, task="probe.heard"))
    listener.assert_hears_both()
    assert listener.refused() == 2
    assert peak_memory(listener.process) < 350 * MIB


def test_a_message_of_many_small_values_is_refused_unread(listener: Listening) -> None:
    listener.push(b'{"x":[' + b"[]," * (10 * MIB) + b"[]]}")
    listener.push(envelope(b"[[" + b"[]," * (8 * MIB) + b"[]],{},null]"))
    listener.assert_hears_both()
    assert listener.refused() == 2
    assert peak_memory(listener.process) < 350 * MIB


def test_what_is_garbage_among_messages_in_work_is_forgotten(
    broker_url: str, services: Services
) -> None:
    with listening(services) as first:
        first.client.hset("unacked", "garbage", "no JSON")
        good = json.dumps([json.loads(said("again")), "", QUEUE])
        first.client.hset("unacked", "good", good)
        first.client.zadd("unacked_index", {"garbage": 2, "good": 1})
    with listening(services) as second:
        assert not second.in_work() & {"garbage", "good"}
