"""The view `ledger_load`: what it counts, for whom, and that it costs the same at any size."""

from typing import Any

import pytest
from sqlalchemy import Connection, text

from common.store.session import open_store
from tests.common.store.tables.test_tables import GOOD, JOB, insert_rows

CHUNKS = 40_000  # ten million records
MOST_PAGES, MOST_PAGES_BEFORE_VACUUM = 80, 400
COLUMNS = {
    f"{priority}_{what}"
    for priority in ("urgent", "bulk")
    for what in ("fresh", "put_off", "in_work")
}


@pytest.fixture
def job(connection: Connection) -> Connection:
    """A running bulk job without chunks."""
    insert_rows(connection, "job", GOOD["job"])
    return connection


def add(connection: Connection, first: int, last: int, **values: str) -> None:
    """Chunks with these numbers; values are SQL."""
    names = "".join(f", {name}" for name in values)
    given = "".join(f", {value}" for value in values.values())
    connection.execute(
        text(
            f"INSERT INTO job_chunk (job_id, number, record_ids{names}) "
            f"SELECT '{JOB}', n, ARRAY['/1/' || n]{given} "
            f"FROM generate_series({first}, {last}) AS n"
        )
    )


def load(connection: Connection) -> dict[str, int]:
    """What is not nothing."""
    (row,) = connection.execute(text("SELECT * FROM ledger_load")).mappings().all()
    assert set(row) == COLUMNS
    return {name: count for name, count in row.items() if count}


def test_an_empty_ledger_has_one_row_of_nothing(connection: Connection) -> None:
    assert load(connection) == {}


def test_what_can_be_claimed_now_counts_and_nothing_else(job: Connection) -> None:
    add(job, 1, 3)
    add(job, 4, 5, retries="1", not_before="now() - interval '1 s'")
    add(job, 6, 6, waiting_since="now()")
    add(job, 7, 9, retries="1", not_before="now() + interval '1 h'")
    add(job, 10, 13, state="'leased'", attempt="1", token="1")
    settled = {"state": "'done'", "settled_at": "now()", "below_threshold": "1"}
    add(job, 14, 20, **settled)
    assert load(job) == {"bulk_fresh": 3, "bulk_put_off": 3, "bulk_in_work": 4}
    job.execute(text("UPDATE job SET priority = 'urgent'"))
    assert load(job) == {"urgent_fresh": 3, "urgent_put_off": 3, "urgent_in_work": 4}


@pytest.mark.parametrize(
    ("state", "seen"), [("paused", {"bulk_in_work": 1}), ("cancelled", {}), ("running", None)]
)
def test_of_a_paused_job_what_is_in_work_counts_and_of_a_cancelled_one_nothing(
    job: Connection, state: str, seen: dict[str, int] | None
) -> None:
    add(job, 1, 2)
    add(job, 3, 3, state="'leased'", attempt="1", token="1")
    job.execute(
        text(
            "UPDATE job SET state = :state, "
            "finished_at = CASE :state WHEN 'cancelled' THEN now() END"
        ),
        {"state": state},
    )
    assert load(job) == ({"bulk_fresh": 2, "bulk_in_work": 1} if seen is None else seen)


def test_a_role_that_may_read_the_view_alone_reads_it(job: Connection) -> None:
    add(job, 1, 2)
    job.execute(text("CREATE ROLE scaler_of_a_test"))
    job.execute(text("GRANT SELECT ON ledger_load TO scaler_of_a_test"))
    job.execute(text("SET LOCAL ROLE scaler_of_a_test"))
    assert load(job) == {"bulk_fresh": 2}


def test_ten_million_records_cost_few_pages_at_the_beginning_and_at_the_end(
    database_url: str,
) -> None:
    """Before a vacuum the index still leads past former rows; Postgres vacuums after each 2 %."""
    engine = open_store()
    with engine.connect() as connection:
        insert_rows(connection, "job", GOOD["job"])
        add(connection, 1, CHUNKS)
        connection.commit()
        assert load(connection) == {"bulk_fresh": 1000}
        early = pages(connection)
        connection.execute(
            text(
                "UPDATE job_chunk SET state = 'done', settled_at = now(), below_threshold = 1 "
                f"WHERE number <= {CHUNKS - 20}"
            )
        )
        connection.commit()
        assert load(connection) == {"bulk_fresh": 20}
        late = pages(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM job_chunk"))
        assert max(early, pages(connection)) <= MOST_PAGES
    engine.dispose()
    assert late <= MOST_PAGES_BEFORE_VACUUM


def pages(connection: Connection) -> int:
    explain = text("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ledger_load")
    ((found,),) = (connection.execute(explain).scalar_one(),)
    plan: dict[str, Any] = found["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
