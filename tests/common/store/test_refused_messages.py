"""Refused messages in the store: one row for each, few of them, and never in anybody's way."""

import threading
from collections.abc import Iterator
from hashlib import sha256

import pytest
from sqlalchemy import Engine, text

from common.process.periodic import AWAY
from common.store import refused_messages
from common.store.refused_messages import (
    KEPT,
    SHOWN,
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
        messages.add(body, problem=problem, queue="enrich.bulk", headers='{"task": "t"}')


def test_a_message_that_comes_again_is_one_row_with_a_count(engine, messages, writer):
    for bodies in ([b"a", b"b", b"a"], [b"a"]):
        put_aside(messages, *bodies)
        writer.run_once()
    rows = {row.body: row for row in list_refused(engine)}
    assert {body: row.times for body, row in rows.items()} == {"a": 3, "b": 1}
    assert rows["a"].sha256 == sha256(b"a").hexdigest()
    assert (rows["a"].queue, rows["a"].headers) == ("enrich.bulk", '{"task": "t"}')
    assert rows["b"].last_at <= rows["a"].last_at
    assert rows["a"].first_at < rows["a"].last_at


def test_one_body_with_two_problems_is_two_rows(engine, messages, writer):
    put_aside(messages, b"a", problem="bad ID")
    put_aside(messages, b"a", problem="bad time")
    writer.run_once()
    assert {row.problem for row in list_refused(engine)} == {"bad ID", "bad time"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"\x1b[2J\x9b\x00\xff\r\n\tx", r"\x1b[2J\x9b\x00\xff\x0d\n\tx"),
        ("\u202egnp.\u2066".encode(), r"\u202egnp.\u2066"),
        (b'["redis://ann:secret@host/0?key=secret"]', '["redis://host/0"]'),
        (b"", ""),
    ],
)
def test_what_is_kept_orders_nothing_and_holds_no_password(engine, messages, writer, sent, kept):
    headers = sent.decode(errors="replace")
    messages.add(sent, problem=headers, queue=headers, headers="\ud800" + headers)
    writer.run_once()
    (row,) = list_refused(engine)
    assert row.body == kept
    for told in (row.problem, row.queue, row.headers):
        assert not {*"\x1b\x9b\x00\n\r\t\u202e\ud800"} & {*told}
        assert "secret" not in told


def test_the_beginning_of_a_large_message_is_kept(engine, messages, writer):
    messages.add(b"x" * 1_000_000, problem="large", headers="y" * 1_000_000)
    writer.run_once()
    (row,) = list_refused(engine)
    assert (len(row.body), len(row.headers), row.size) == (SHOWN, SHOWN, 1_000_000)


def test_a_flood_is_one_transaction_and_few_messages(engine, messages, writer):
    put_aside(messages, *(str(number).encode() for number in range(20_000)), b"0")
    assert len(messages.take()) == WAITING
    put_aside(messages, *(str(number).encode() for number in range(20_000)), b"0")
    before = transactions_of_the_table(engine)
    writer.run_once()
    rows = list_refused(engine)
    assert len(rows) == WAITING
    assert {row.body: row.times for row in rows}["0"] == 2
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
    assert {int(row.body) for row in rows} == set(range(2 * WAITING, KEPT + 2 * WAITING))


def test_messages_wait_while_the_database_is_away(engine, messages, writer, services: Services):
    put_aside(messages, b"before", b"before")
    services.postgres.stop()
    for _ in range(2):
        with pytest.raises(AWAY):
            writer.run_once()
    put_aside(messages, b"before", *(str(number).encode() for number in range(2 * WAITING)))
    services.postgres.start()
    writer.run_once()
    rows = {row.body: row.times for row in list_refused(engine)}
    assert rows["before"] == 3
    assert len(rows) == WAITING


def test_a_message_that_postgres_refuses_is_not_tried_for_ever(engine, messages, writer):
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE refused_message ADD CONSTRAINT no_b CHECK (body <> 'b')")
        )
    put_aside(messages, b"b")
    with pytest.raises(Exception, match="no_b"):
        writer.run_once()
    put_aside(messages, b"a")
    writer.run_once()
    assert [row.body for row in list_refused(engine)] == ["a"]


def test_the_last_messages_are_written_when_the_thread_stops(engine, messages):
    writer = RefusedMessageWriter(engine, messages, interval=3600)
    writer.start()
    put_aside(messages, b"last")
    writer.stop()
    assert [row.body for row in list_refused(engine)] == ["last"]


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


@pytest.mark.parametrize("before", range(SHOWN - 30, SHOWN, 7))
def test_a_password_that_is_cut_is_not_kept(messages, before):
    sent = b" " * before + b"amqp://user:sup3rsecret@host/"
    messages.add(sent, problem="x", headers=sent.decode())
    (kept,) = messages.take()
    assert "sup3r" not in kept.body + kept.headers
