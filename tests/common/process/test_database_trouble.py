"""Errors of the database in words: away is said only where it is away."""

import psycopg2
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from common.process.database_trouble import AWAY, is_away, is_there, last_words, trouble
from deploy.local import Services
from tests.read_only_postgres import reading_only


def refusal(url: str, limit: str) -> OperationalError:
    """The error of waiting for a lock that another connection holds, past the limit."""
    with psycopg2.connect(url) as holder, psycopg2.connect(url) as waiter:
        holder.cursor().execute("SELECT pg_advisory_xact_lock(1)")
        waiter.cursor().execute(f"SET {limit} = 50")
        with pytest.raises(psycopg2.OperationalError) as caught:
            waiter.cursor().execute("SELECT pg_advisory_xact_lock(1)")
    return OperationalError("", None, caught.value)


@pytest.mark.parametrize(
    ("limit", "said", "to_do"),
    [
        (
            "lock_timeout",
            "another process holds a lock in the database for too long",
            "When this process has ended, run the same command again.",
        ),
        (
            "statement_timeout",
            "the database cancelled a statement",
            "Run the same command again, or ask the administrator of the database.",
        ),
    ],
)
def test_a_database_that_refuses_to_wait_is_there(
    database_url: str, limit: str, said: str, to_do: str
) -> None:
    error = refusal(database_url.replace("+psycopg2", ""), limit)
    assert is_there(error)
    assert not is_away(error)
    assert trouble(error) == said
    assert last_words(error).startswith(f"{said.capitalize()}. ")
    assert last_words(error).endswith(to_do)


def test_a_full_disk_is_called_so_and_waited_for_as_if_the_database_were_away(
    database_url: str,
) -> None:
    full = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$"
    with psycopg2.connect(database_url.replace("+psycopg2", "")) as connection:
        with pytest.raises(psycopg2.OperationalError) as caught:
            connection.cursor().execute(full)
        connection.rollback()
    error = OperationalError("", None, caught.value)
    assert not is_there(error)
    assert not is_away(error)
    assert trouble(error) == "the disk of the database is full"
    assert last_words(error).endswith("Free some disk space, and run the same command again.")


def test_a_database_that_only_reads_is_waited_for(engine: Engine) -> None:
    with reading_only(engine), pytest.raises(AWAY) as caught, engine.begin() as connection:
        connection.execute(text("DELETE FROM job"))
    assert not is_there(caught.value)
    assert not is_away(caught.value)
    assert trouble(caught.value) == "the database is read-only"


def test_a_database_that_fails_in_itself_is_not_called_away(engine: Engine) -> None:
    failing = text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'XX001'; END $$")
    with pytest.raises(AWAY) as caught, engine.begin() as connection:
        connection.execute(failing)
    assert not is_away(caught.value)
    assert trouble(caught.value) == "the database has an internal error"


def test_a_database_that_cannot_be_reached_is_away(services: Services) -> None:
    with pytest.raises(psycopg2.OperationalError) as caught:
        psycopg2.connect("host=127.0.0.1 port=1 dbname=nowhere")
    error = OperationalError("", None, caught.value)
    assert not is_there(error)
    assert is_away(error)
    assert trouble(error) == "the database is away"
    assert "Connection refused" in last_words(error)
