"""Refused messages in the store: one row for each, few of them, and never in anybody's way."""

import threading
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from common.process.periodic import AWAY
from common.store import refused_messages
from common.store.refused_messages import (
    KEPT,
    WAITING,
    RefusedMessages,
    RefusedMessageWriter,
    list_refused,
    write_refused,
)
from common.store.session import open_store
from deploy.local import Services


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """On a database of the test's own: these commit."""
    engine = open_store()
    yield engine
    engine.dispose()


@pytest.fixture
def messages() -> RefusedMessages:
    return RefusedMessages()


@pytest.fixture
def writer(engine: Engine, messages: RefusedMessages) -> RefusedMessageWriter:
    """Not started: the tests call it."""
    return RefusedMessageWriter(engine, messages)


def put_aside(messages: RefusedMessages, *bodies: bytes, problem: str = "bad") -> None:
    for body in bodies:
        messages.add(body, problem=problem, queue="enrich.bulk", headers={"task": "t"})


def digest(body: bytes | str) -> str:
    return sha256(body if isinstance(body, bytes) else body.encode()).hexdigest()


def counts(engine: Engine) -> dict[str, int]:
    """How often each message came, by its sha256."""
    return {row.sha256: row.times for row in list_refused(engine)}


def test_a_message_that_comes_again_is_one_row_with_a_count(engine, messages, writer):
    for bodies in ([b"a", b"b", b"a"], [b"a"]):
        put_aside(messages, *bodies)
        writer.run_once()
    assert counts(engine) == {digest("a"): 3, digest("b"): 1}
    later, earlier = list_refused(engine)
    assert (later.sha256, later.size) == (digest("a"), 1)
    assert (later.queue, later.headers) == ("enrich.bulk", {"task": "t"})
    assert earlier.last_at <= later.last_at
    assert later.first_at < later.last_at


def test_one_body_with_two_problems_is_two_rows(engine, messages, writer):
    put_aside(messages, b"a", problem="bad ID")
    put_aside(messages, b"a", problem="bad time")
    writer.run_once()
    assert {row.problem for row in list_refused(engine)} == {"bad ID", "bad time"}


URLS = (
    "redis://:SECRET@host/0",
    r"https:\/\/user:SECRET@host\/p",
    r"https:\u002f\u002fu:SECRET@h",
    "x_https://u:SECRET@h",
    "https://u:it'sSECRET@h/",
    "https://u:a<SECRET@h/",
    "//u:SECRET@h/",
    "http://a/?" + "q" * 5000 + " redis://:SECRET" + "z" * 200 + "@host/0",
    b64encode(b"redis://:SECRET@host/0").decode(),
    "\x1b[2JSECRET\u202e\ud800",
)


@pytest.mark.parametrize("sent", URLS, ids=range(len(URLS)))
def test_nothing_is_kept_in_which_there_is_room_for_a_secret(engine, messages, writer, sent):
    headers = {"task": sent, "id": sent, "origin": sent, "argsrepr": sent, sent: 1}
    content = sent.encode(errors="replace")
    messages.add(content, problem="bad", queue=sent, headers=headers)
    writer.run_once()
    (row,) = list_refused(engine)
    assert (row.sha256, row.size) == (digest(content), len(content))
    assert (row.queue, row.headers, row.problem) == ("", {}, "bad")


@pytest.mark.parametrize("headers", [None, [], "task", {"task": None, "id": 7, "origin": ["a"]}])
def test_headers_may_be_anything(messages, headers):
    messages.add(b"", problem="bad", queue=7, headers=headers)
    (kept,) = messages.take()
    assert (kept.queue, kept.headers) == ("", {})


def test_who_sent_a_message_and_what_it_was_to_do_is_kept(engine, messages, writer):
    headers = {"task": "worker.submit", "id": str(uuid4()), "origin": "gen7@host-1.example.org"}
    messages.add(b"", problem="bad", queue="enrich.submit", headers=headers | {"lang": "py"})
    writer.run_once()
    (row,) = list_refused(engine)
    assert row.headers == headers


def test_a_flood_is_one_transaction_and_few_messages(engine, messages, writer):
    put_aside(messages, *(str(number).encode() for number in range(20_000)), b"0")
    assert len(messages.take()) == WAITING
    put_aside(messages, *(str(number).encode() for number in range(20_000)), b"0")
    before = transactions_of_the_table(engine)
    writer.run_once()
    rows = list_refused(engine)
    assert len(rows) == WAITING
    assert counts(engine)[digest("0")] == 2
    assert transactions_of_the_table(engine) - before == 1


def transactions_of_the_table(engine: Engine) -> int:
    """How many transactions have written to the table: each row that is there names its own."""
    with engine.connect() as connection:
        counted = text("SELECT count(DISTINCT xmin::text) FROM refused_message")
        return int(connection.execute(counted).scalar_one())


def test_the_oldest_rows_go(engine, messages, writer):
    for start in range(0, KEPT + 2 * WAITING, WAITING):
        put_aside(messages, *(str(number).encode() for number in range(start, start + WAITING)))
        writer.run_once()
    rows = list_refused(engine)
    assert len(rows) == KEPT
    newest = range(2 * WAITING, KEPT + 2 * WAITING)
    assert {row.sha256 for row in rows} == {digest(str(number)) for number in newest}


def test_messages_wait_while_the_database_is_away(engine, messages, writer, services: Services):
    put_aside(messages, b"before", b"before")
    services.postgres.stop()
    for _ in range(2):
        with pytest.raises(AWAY):
            writer.run_once()
    put_aside(messages, b"before", *(str(number).encode() for number in range(2 * WAITING)))
    services.postgres.start()
    writer.run_once()
    assert counts(engine)[digest("before")] == 3
    assert len(counts(engine)) == WAITING


def test_a_message_that_postgres_refuses_is_not_tried_for_ever(engine, messages, writer):
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE refused_message ADD CONSTRAINT no_b CHECK (problem <> 'b')")
        )
    put_aside(messages, b"b", problem="b")
    with pytest.raises(Exception, match="no_b"):
        writer.run_once()
    put_aside(messages, b"a")
    writer.run_once()
    assert [*counts(engine)] == [digest("a")]


def test_the_last_messages_are_written_when_the_thread_stops(engine, messages):
    writer = RefusedMessageWriter(engine, messages, interval=3600)
    writer.start()
    put_aside(messages, b"last")
    writer.stop()
    assert [*counts(engine)] == [digest("last")]


def test_stopping_fails_for_no_database(engine, messages, writer, services: Services):
    put_aside(messages, b"lost")
    services.postgres.stop()
    writer.stop()


def test_workers_write_side_by_side(engine, monkeypatch):
    monkeypatch.setattr(refused_messages, "KEPT", 50)

    def write(first: int) -> None:
        for number in range(20):
            mine = RefusedMessages()
            put_aside(mine, *(str((first + each) % 90).encode() for each in range(number, 80)))
            write_refused(engine, mine.take())

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list_refused(engine)) == 50
