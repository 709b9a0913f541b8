"""An index for similar pictures, made on request: hours for ten million pictures, and much memory.

It is of the kind HNSW (https://arxiv.org/abs/1603.09320). What it finds is nearly always the
nearest. Jobs never need it, and it makes keeping embeddings slower. Making it locks no one out.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.process.terminal.progress import ProgressReport, progress
from common.store.encoders import StoredEncoder
from common.store.session import own_session
from common.store.tables.seen import index_of, partition_of

MEMORY = "1GB"  # for the graph; what does not fit is built several times more slowly
SECONDS_BETWEEN_LOOKS = 0.5
_PROGRESS = text("""
    SELECT phase, tuples_done, tuples_total FROM pg_stat_progress_create_index WHERE pid = :pid
""")
_IS_VALID = text("""
    SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)
""")


def as_indexed(column: str, dimension: int) -> str:
    """The expression that the index is on."""
    return f"({column}::halfvec({dimension:d}))"


def make_index(engine: Engine, encoder: StoredEncoder) -> bool:
    """Make the index of an encoder's embeddings, and show how far that has come.

    An index that was left half-made is made again. Ctrl-C ends the making.

    Returns:
        Whether it was not there.

    Raises:
        UsageError: a pooler stands between, which lends a session of Postgres for a statement.
        DBAPIError: Postgres refuses, as where its disk is full; a half-made index is left, which
            the next call removes.
    """
    name, table = index_of(encoder.id), partition_of(encoder.id)
    with engine.connect() as connection:
        making = connection.execution_options(isolation_level="AUTOCOMMIT")
        pid = _own_session(making)
        is_valid = making.scalar(_IS_VALID, {"name": name})
        if is_valid:
            return False
        if is_valid is not None:
            making.execute(text(f"DROP INDEX CONCURRENTLY {name}"))
        # One process: several share the graph in /dev/shm, which containers keep small.
        making.execute(text(f"SET maintenance_work_mem = '{MEMORY}'"))
        making.execute(text("SET max_parallel_maintenance_workers = 0"))
        statement = text(
            f"CREATE INDEX CONCURRENTLY {name} ON {table} USING hnsw "
            f"({as_indexed('vector', encoder.dimension)} halfvec_cosine_ops)"
        )
        try:
            _make(engine, making, statement_pid=pid, statement=str(statement))
        finally:
            connection.invalidate()  # its settings are not for others
    return True


def _own_session(making: Connection) -> int:
    """The number of the connection's session, which keeps its settings."""
    pid = own_session(making)
    if pid is None:
        raise UsageError(
            "To make an index, the session of Postgres needs more memory. But DATABASE_URL "
            "leads to a pooler that shares sessions, such as PgBouncer. For this command, "
            "set DATABASE_URL to Postgres itself."
        )
    return pid


def _make(engine: Engine, making: Connection, *, statement_pid: int, statement: str) -> None:
    """Run the statement in a thread of its own, and report on it until it has ended."""
    with ThreadPoolExecutor(1) as pool, progress("index") as report:
        made = pool.submit(making.exec_driver_sql, statement)
        try:
            _watch(engine, statement_pid, made, report)
        finally:
            while not made.done():  # Ctrl-C; what is cancelled before it begins goes on
                making.connection.driver_connection.cancel()  # type: ignore[union-attr]  # psycopg2's
                wait([made], timeout=SECONDS_BETWEEN_LOOKS)
        made.result()


def _watch(engine: Engine, pid: int, made: "Future[Any]", report: ProgressReport) -> None:
    with engine.connect() as looking:
        autocommit = looking.execution_options(isolation_level="AUTOCOMMIT")
        while not made.done():
            row = autocommit.execute(_PROGRESS, {"pid": pid}).one_or_none()
            if row is not None:
                report.total = row.tuples_total or None
                report.advance(row.tuples_done - report.done, note=row.phase)
            time.sleep(SECONDS_BETWEEN_LOOKS)
