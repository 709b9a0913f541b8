"""The view `ledger_load`: what it counts, for whom, and that it costs the same at any size."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, Engine, text

from common.store.session import open_store
from common.store.signals import AdvisoryLock
from tests.common.store.tables.test_tables import GOOD, JOB, insert_rows

PAGE = Path(__file__).resolve().parents[4] / "docs/reference/ledger-load.md"
SCALER, OURS = "scaler_of_a_test", "ours_in_a_test"
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
    """What is nothing."""
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


@pytest.fixture
def roles(database_url: str) -> Iterator[Engine]:
    """The store, with the role as the page makes it, and with ours, which is there before."""
    engine = open_store()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {OURS}")
        for statements in statements_of_page(str(engine.url.database)):
            connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
    yield engine
    with engine.begin() as connection:
        for role in (SCALER, OURS):
            connection.exec_driver_sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
    engine.dispose()


def statements_of_page(database: str) -> list[str]:
    """What the page on the view has a person type, with the names of this test."""
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {"enrichment_scaler": SCALER, "DATABASE enrichment": f"DATABASE {database}"}
    names |= {"TO enrichment": f"TO {OURS}"}
    for said, meant in names.items():
        assert any(re.search(rf"{said}\b", block) for block in blocks)
        blocks = [re.sub(rf"{said}\b", meant, block) for block in blocks]
    return blocks


def log_in(engine: Engine) -> "psycopg2.extensions.connection":
    """As the role for scaling, which has its limits from its login on."""
    url = engine.url.set(drivername="postgresql", username=SCALER)
    return psycopg2.connect(url.render_as_string(hide_password=False))


def test_a_role_that_may_read_the_view_alone_reads_it(roles: Engine) -> None:
    with closing(log_in(roles)) as session, session.cursor() as scaler:
        scaler.execute("SELECT * FROM ledger_load")
        assert scaler.fetchall() == [(0,) * len(COLUMNS)]
        scaler.execute("SHOW statement_timeout")
        assert scaler.fetchone() == ("10s",)
        scaler.execute("SHOW idle_in_transaction_session_timeout")
        assert scaler.fetchone() == ("10s",)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM job",
        "LOCK TABLE ledger_load IN ROW EXCLUSIVE MODE",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "SELECT pg_advisory_lock(1)",
        AdvisoryLock.DECISIONS.take,
        AdvisoryLock.DECISIONS.share,
    ],
)
def test_it_may_do_nothing_else_that_the_page_keeps_from_it(roles: Engine, statement: str) -> None:
    with (
        closing(log_in(roles)) as session,
        session.cursor() as scaler,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        scaler.execute(statement)


def test_it_cannot_take_all_connections(roles: Engine) -> None:
    with ExitStack() as at_once:
        for _ in range(10):
            at_once.enter_context(closing(log_in(roles)))
        with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
            log_in(roles)


def test_our_own_role_keeps_what_it_needs(roles: Engine) -> None:
    with roles.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL ROLE {OURS}")
        connection.exec_driver_sql("CREATE TEMPORARY TABLE submitted (id int) ON COMMIT DROP")
        for lock in AdvisoryLock:
            connection.exec_driver_sql(lock.take)
        connection.exec_driver_sql(AdvisoryLock.DECISIONS.share)
        connection.exec_driver_sql(AdvisoryLock.VERDICTS.take_for("1"))


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
