import math
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from common.store.bulk import copy_rows, upsert
from common.store.tables import Concept, Job, JobChunk, Record

TABLE = Record.__table__
COLUMNS = ("id", "title", "media_url")
STORABLE = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


def records(connection):
    return connection.execute(select(Record.id, Record.title, Record.media_url)).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(title=st.none() | STORABLE, media_url=st.none() | STORABLE)
def test_any_storable_text_comes_back_as_it_was(connection, title, media_url):
    with connection.begin() as transaction:
        upsert(connection, TABLE, COLUMNS, [("/1/a", title, media_url)])
        assert records(connection) == [("/1/a", title, media_url)]
        transaction.rollback()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(array=st.lists(STORABLE, max_size=8), number=st.integers(-(2**63), 2**63 - 1), flag=...)
def test_arrays_numbers_and_objects_come_back_as_they_were(connection, array, number, flag: bool):
    with connection.begin() as transaction:
        connection.exec_driver_sql("CREATE TEMP TABLE kinds (a text[], n int8, b bool, o jsonb)")
        value = {"list": array, "number": number, "flag": flag, "nothing": None}
        # jsonb cannot hold NUL either, which `array` has not
        copy_rows(connection, "kinds", ("a", "n", "b", "o"), [(array, number, flag, value)])
        row = connection.exec_driver_sql("SELECT a, n, b, o FROM kinds").one()
        assert tuple(row) == (array, number, flag, value)
        transaction.rollback()


@pytest.mark.parametrize("number", [0.0, -1.5, 1e300, 5e-324, math.inf, -math.inf])
def test_floats_are_exact(connection, number):
    connection.exec_driver_sql("CREATE TEMP TABLE floats (x float8)")
    copy_rows(connection, "floats", ("x",), [(number,)])
    assert connection.exec_driver_sql("SELECT x FROM floats").scalar_one() == number


def test_moments_keep_their_instant(connection):
    connection.exec_driver_sql("CREATE TEMP TABLE moments (at timestamptz)")
    india = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=india)
    copy_rows(connection, "moments", ("at",), [(moment,)])
    stored = connection.exec_driver_sql("SELECT at FROM moments").scalar_one()
    assert stored == moment.astimezone(UTC)


def test_an_upsert_inserts_and_says_how_many(connection):
    rows = [(f"/1/{number}", "t", None) for number in range(1000)]
    assert upsert(connection, TABLE, COLUMNS, iter(rows)) == 1000
    assert sorted(records(connection)) == sorted(rows)


def test_no_rows_are_no_change(connection):
    assert upsert(connection, TABLE, COLUMNS, []) == 0


def test_existing_rows_stay_unless_an_update_is_asked_for(connection):
    upsert(connection, TABLE, COLUMNS, [("/1/a", "old", "u")])
    assert upsert(connection, TABLE, COLUMNS, [("/1/a", "new", "v")]) == 0
    assert records(connection) == [("/1/a", "old", "u")]


def test_only_the_named_columns_are_updated_and_only_where_they_differ(connection):
    upsert(connection, TABLE, COLUMNS, [("/1/a", "old", "u"), ("/1/b", "same", "u")])
    changed = upsert(
        connection,
        TABLE,
        COLUMNS,
        [("/1/a", "new", "v"), ("/1/b", "same", "v"), ("/1/c", None, None)],
        update=["title"],
    )
    assert changed == 2
    assert sorted(records(connection)) == [
        ("/1/a", "new", "u"),
        ("/1/b", "same", "u"),
        ("/1/c", None, None),
    ]


def test_an_update_sets_and_removes_nulls(connection):
    upsert(connection, TABLE, COLUMNS, [("/1/a", None, "u"), ("/1/b", "t", "u")])
    upsert(connection, TABLE, COLUMNS, [("/1/a", "t", "u"), ("/1/b", None, "u")], update=["title"])
    assert sorted(records(connection)) == [("/1/a", "t", "u"), ("/1/b", None, "u")]


def test_of_several_rows_with_one_key_the_last_counts(connection):
    rows = [("/1/a", "first", None), ("/1/b", "x", None), ("/1/a", "last", None)]
    assert upsert(connection, TABLE, COLUMNS, rows, update=["title"]) == 2
    assert sorted(records(connection)) == [("/1/a", "last", None), ("/1/b", "x", None)]


def test_a_key_of_several_columns_is_a_key(connection):
    job = "00000000-0000-0000-0000-000000000001"
    connection.execute(
        text("INSERT INTO model (name, version, path, sha256, labels, thresholds)"
             " VALUES ('m', 1, 'm', repeat('a', 64), '{}', '{}')")
    )  # fmt: skip
    model = connection.execute(text("SELECT id FROM model")).scalar_one()
    upsert(connection, Job.__table__, ("id", "model_id"), [(job, model)])
    columns = ("job_id", "number", "record_ids")
    rows = [(job, 0, ["/1/a"]), (job, 1, ['/1/b"', "\\", "", "NULL", "a,b", "{}"])]
    upsert(connection, JobChunk.__table__, columns, rows)
    upsert(connection, JobChunk.__table__, columns, [(job, 1, [])], update=["record_ids"])
    stored = select(JobChunk.number, JobChunk.record_ids).order_by(JobChunk.number)
    assert connection.execute(stored).all() == [(0, ["/1/a"]), (1, [])]


def test_two_upserts_fit_in_one_transaction_and_go_with_it(engine):
    with engine.connect() as connection:
        upsert(connection, TABLE, COLUMNS, [("/1/a", "t", None)])
        upsert(connection, Concept.__table__, ("uri", "label"), [("http://x.org/1", "x")])
        connection.rollback()
        assert records(connection) == []


@pytest.mark.parametrize(
    ("bad", "error"), [("nul \x00", DBAPIError), ("half a pair \ud800", UnicodeEncodeError)]
)
def test_what_postgres_cannot_hold_is_an_error_and_nothing_is_written(engine, bad, error):
    with pytest.raises(error), engine.begin() as connection:
        upsert(connection, TABLE, COLUMNS, [("/1/a", "good", None), ("/1/b", bad, None)])
    with engine.connect() as connection:
        assert records(connection) == []


def test_an_error_of_the_rows_themselves_comes_through(connection):
    def rows():
        yield ("/1/a", "t", None)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        upsert(connection, TABLE, COLUMNS, rows())


def test_memory_does_not_grow_with_the_number_of_rows(connection):
    def peak(count):
        rows = ((f"/{count}/{number}", "t" * 100, None) for number in range(count))
        tracemalloc.start()
        upsert(connection, TABLE, COLUMNS, rows)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # what is loaded once
    assert peak(20_000) < peak(2_000) + 200_000
