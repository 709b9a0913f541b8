"""What was refused is in the store afterwards, whatever is sent and wherever the database is."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest
import redis
from sqlalchemy import Engine

from common.store.refused_messages import KEPT, Refusal, list_refused
from deploy.local import Services
from tests.common.test_messages import BLANKS, MALFORMED, QUEUE, WORKER, envelope, running

PATIENCE = 120.0  # seconds
FLOOD = 5_000
WRITER = """
from common.messages import put_aside
from common.store.refused_messages import RefusedMessageWriter
from common.store.session import open_store

RefusedMessageWriter(open_store(), put_aside, interval=0.2).start()
"""

Process = subprocess.Popen[str]


@pytest.fixture
def worker(broker_url: str, engine: Engine) -> Iterator[Process]:
    """A process that prints the arguments of its tasks, and puts aside what it refuses."""
    with running(WRITER + WORKER) as process:
        yield process


@pytest.fixture
def client(services: Services) -> Iterator["redis.Redis"]:
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        yield client


def send(client: "redis.Redis", *messages: str | bytes) -> None:
    client.lpush(QUEUE, *messages)


def answer(worker: Process, client: "redis.Redis", word: str) -> str:
    """What the worker says to a good message, after all that came before it."""
    send(client, envelope(json.dumps([[word], {}, {}]).encode()))
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def refusals(engine: Engine, is_all: Callable[[list[Refusal]], bool]) -> list[Refusal]:
    """What the store has of them, as soon as that is all."""
    deadline = time.monotonic() + PATIENCE
    while not is_all(rows := list_refused(engine)):
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)
    return rows


def digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def test_each_malformed_message_is_put_aside(
    worker: Process, engine: Engine, client: "redis.Redis"
) -> None:
    send(client, *MALFORMED.values())
    assert answer(worker, client, "alive") == "alive"
    rows = refusals(engine, lambda rows: sum(row.times for row in rows) == len(MALFORMED))
    assert {row.queue for row in rows} == {QUEUE}
    kept = {row.sha256 for row in rows}
    assert {digest(body) for body in (b"garbage", b"7", b"\xff\xfe", b"{{{")} <= kept
    (unknown,) = [row for row in rows if row.headers.get("task") == "no.such"]
    assert unknown.problem == "no task of this worker has its name"
    (compressed,) = [row for row in rows if "compressed" in row.problem]
    assert compressed.size == len(BLANKS)


def test_a_stream_of_one_message_is_one_row(
    worker: Process, engine: Engine, client: "redis.Redis"
) -> None:
    send(client, *[envelope(b"{{{", id=str(number)) for number in range(FLOOD)])
    assert answer(worker, client, "alive") == "alive"
    (row,) = refusals(engine, lambda rows: [row.times for row in rows] == [FLOOD])
    assert (row.sha256, row.size) == (digest(b"{{{"), 3)


def test_a_flood_of_many_messages_fills_nothing(
    worker: Process, engine: Engine, client: "redis.Redis"
) -> None:
    send(client, *[f"garbage {number}" for number in range(FLOOD)])
    assert answer(worker, client, "alive") == "alive"
    assert 0 < len(refusals(engine, bool)) <= KEPT
    send(client, envelope(task="probe.refused"))
    assert worker.stdout is not None
    assert float(worker.stdout.readline()) == FLOOD


def test_a_worker_goes_on_while_the_database_is_away(
    worker: Process, engine: Engine, client: "redis.Redis", services: Services
) -> None:
    assert answer(worker, client, "begun") == "begun"
    services.postgres.stop()
    send(client, "garbage", "garbage")
    assert answer(worker, client, "alive") == "alive"
    services.postgres.start()
    engine.dispose()
    (row,) = refusals(engine, bool)
    assert (row.sha256, row.times) == (digest(b"garbage"), 2)
    assert answer(worker, client, "still") == "still"


SECRET_NAME = "https://user:s3cret@host"
TELLING: dict[str, str | bytes] = {
    "garbage": SECRET_NAME,
    "an envelope that is not closed": envelope(SECRET_NAME.encode())[:-1],
    "a body": envelope(SECRET_NAME.encode()),
    "a surplus header of the body": envelope(json.dumps([[], {}, {SECRET_NAME: 1}]).encode()),
    "a value of a header": envelope(eta=SECRET_NAME, argsrepr=SECRET_NAME, origin=SECRET_NAME),
    "an encoding": envelope(encoding=SECRET_NAME),
    "a content type": envelope(content_type=SECRET_NAME),
    "a compression": envelope(b"x", compression=SECRET_NAME),
    "the name of a task": envelope(task=SECRET_NAME, queue=SECRET_NAME),
}


def test_nothing_that_is_told_of_a_message_quotes_it(
    worker: Process, engine: Engine, client: "redis.Redis"
) -> None:
    send(client, *TELLING.values())
    assert answer(worker, client, "alive") == "alive"
    rows = refusals(engine, lambda rows: sum(row.times for row in rows) == len(TELLING))
    assert "s3cret" not in repr(rows)
    assert "(a name)" in " ".join(row.problem for row in rows)
