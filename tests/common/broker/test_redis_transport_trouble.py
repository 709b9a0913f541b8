"""What is odd in Redis itself, or keeps it from writing, ends nobody who listens."""

import json
import time
from contextlib import suppress

import pytest
import redis

from deploy.local import Services
from tests.common.broker.listening import CHANNEL, Listening, said
from tests.common.test_messages import QUEUE, peak_memory
from tests.waiting import wait_for

MIB = 1 << 20
KEYS = [
    QUEUE,
    f"{QUEUE}\x06\x163",  # messages of priority 3
    "unacked",
    "unacked_index",
    "_kombu.binding.celery",
    "_kombu.binding_permanent.celery",
]


pytestmark = pytest.mark.slow


def cut_off(listener: Listening) -> None:
    """Close all connections but our own; whoever listens connects again."""
    for connection in listener.client.client_list():
        if int(connection["id"]) != listener.client.client_id():
            with suppress(redis.ResponseError):  # it is gone already
                listener.client.client_kill(connection["addr"])
    listener.client.delete("unacked_mutex")  # who was cut off may have held it, for five minutes
    wait_for(lambda: listener.client.pubsub_numpat() == 1)


def put_in_work(listener: Listening, content: bytes, tag: str = "x") -> None:
    """As kombu keeps a message that somebody took a long time ago, and never acknowledged."""
    listener.client.hset("unacked", tag, content)
    listener.client.zadd("unacked_index", {tag: 1})


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_another_type_is_removed(listener: Listening, key: str) -> None:
    listener.client.delete(key)
    listener.client.set(key, "in the way")
    cut_off(listener)
    listener.assert_hears_both()
    assert listener.client.type(key) != b"string"


@pytest.mark.parametrize("key", KEYS[:4])
def test_a_value_of_another_type_ends_nobody_who_reads_it(listener: Listening, key: str) -> None:
    listener.client.delete(key)
    listener.client.set(key, "in the way")
    listener.publish_until_heard("meanwhile")
    wait_for(lambda: listener.client.type(key) != b"string" or key not in KEYS[:2])
    listener.client.delete(key)
    listener.assert_hears_both()


def test_what_a_full_broker_gave_is_worked_on(listener: Listening) -> None:
    words = {f"word {number}" for number in range(5)}
    with listener.client.pipeline() as together:
        together.lpush(QUEUE, *map(said, words))
        together.config_set("maxmemory", 1)
        together.execute()
    try:
        found = listener.lines()
        while words:
            words.discard(next(found))
    finally:
        listener.client.config_set("maxmemory", 0)
    listener.assert_hears_both()


def test_a_broker_that_only_reads_is_waited_for(listener: Listening) -> None:
    listener.client.replicaof("127.0.0.1", "1")
    time.sleep(3)
    listener.client.replicaof("NO", "ONE")
    wait_for(lambda: listener.client.pubsub_numpat() == 1)
    listener.assert_hears_both()


def test_a_connection_that_is_lost_ends_nobody_who_has_a_message_in_work(
    listener: Listening,
) -> None:
    listener.push(said("in work", task="probe.lasts"))
    listener.wait_for("in work")
    for _ in range(8):
        cut_off(listener)
    listener.assert_hears_both()


MESSAGE = json.loads(said("again"))


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(["a password", "", QUEUE]).encode(),
        json.dumps([MESSAGE, "", ""]).encode(),
        json.dumps([MESSAGE, "", "\ud800"]).encode(),
        json.dumps([MESSAGE, "", None]).encode(),
        json.dumps([MESSAGE, "", "unacked_index"]).encode(),  # which is no list
        b"[" * MIB,
        b"[" + b"[]," * (15 * MIB) + b"[]]",
        b"[" + b"[]," * (10 * MIB) + b"[]]",
    ],
    ids=range(8),
)
def test_what_is_odd_among_messages_in_work_is_forgotten(
    listener: Listening, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    put_in_work(listener, content)
    cut_off(listener)
    wait_for(lambda: not listener.client.hexists("unacked", "x"))
    listener.assert_hears_both()
    assert peak_memory(listener.process) < 350 * MIB
    assert "a password" not in capfd.readouterr().err


def test_a_message_in_work_goes_to_its_list_and_by_no_exchange(listener: Listening) -> None:
    put_in_work(listener, json.dumps([MESSAGE, "celery.pidbox", QUEUE]).encode())
    cut_off(listener)
    listener.wait_for("again")


def test_a_lock_without_an_end_keeps_no_message_back(listener: Listening) -> None:
    listener.client.set("unacked_mutex", "a stranger's")
    put_in_work(listener, json.dumps([MESSAGE, "", QUEUE]).encode())
    cut_off(listener)
    listener.wait_for("again")


def test_who_may_not_look_at_keys_hears_all_the_same(listener: Listening) -> None:
    listener.client.execute_command("ACL", "SETUSER", "default", "-type", "-ttl")
    try:
        cut_off(listener)
        listener.assert_hears_both()
    finally:
        listener.client.execute_command("ACL", "SETUSER", "default", "+@all")


def test_many_messages_in_work_make_nobody_deaf(listener: Listening, services: Services) -> None:
    for part in range(20):
        listener.client.zadd("unacked_index", {f"{part} {each}": 1 for each in range(5_000)})
    cut_off(listener)
    listener.assert_hears_both()
    assert listener.client.zcard("unacked_index") > 99_000


def test_an_endless_stream_of_messages_neither_fills_memory_nor_holds_up_lists(
    listener: Listening,
) -> None:
    message = said("x" * 40_000, task="probe.woken")
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with listener.client.pipeline(transaction=False) as together:
            for _ in range(100):
                together.publish(CHANNEL, message)
            together.execute()
    assert peak_memory(listener.process) < 150 * MIB
    listener.push(said("listed"))
    listener.wait_for("listed")
    wait_for(lambda: listener.client.pubsub_numpat() == 1)
    listener.assert_hears_both()
