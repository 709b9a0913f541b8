"""Many rows at once: COPY into a temporary table, then one INSERT ... ON CONFLICT.

The rows stream: memory does not grow with their number. A few rows go as one value, without a
table: each temporary table leaves dead rows in the catalogs of Postgres, and cost a chunk of a job
more than all else that it writes. Rows reach the table in the order of its key, so that
transactions that write the same rows wait for each other and do not deadlock.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import BufferedReader, RawIOBase
from itertools import chain, islice
from typing import Any, cast

import psycopg2
import psycopg2.extensions
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

_STAGING = "staging"
_FEW = 500  # rows, at most, that need no temporary table
SORT_MEMORY = "64MB"  # for the rows of one call; more are sorted on disk
_BUFFER = 1 << 16  # bytes
_BLOCK = 100  # rows that are encoded together
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_PREPARER = _DIALECT.identifier_preparer


def upsert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    update: Sequence[str] = (),
) -> int:
    """Insert rows; where the primary key exists, set the `update` columns if they differ.

    If several rows have one key, the last one counts. Runs inside the connection's transaction.

    Returns:
        The number of rows inserted or changed.
    """
    remaining = iter(rows)
    few = list(islice(remaining, _FEW + 1))
    if len(few) <= _FEW:
        return _upsert_few(connection, table, columns, few, update) if few else 0
    return _upsert_many(connection, table, columns, chain(few, remaining), update)


def _upsert_few(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    update: Sequence[str],
) -> int:
    name = _PREPARER.format_table(table)
    listed, keyed = _names(columns), _names(_key(table))
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    given = json.dumps(records, default=_json_value, ensure_ascii=False)
    types = [f"{_names([column])} {table.c[column].type.compile(_DIALECT)}" for column in columns]
    statement = (
        f"INSERT INTO {name} ({listed}) SELECT DISTINCT ON ({keyed}) {listed} "
        f"FROM ROWS FROM (json_to_recordset(%s) AS ({', '.join(types)})) WITH ORDINALITY "
        f"AS given ({listed}, nth) "
        f"ORDER BY {keyed}, nth DESC ON CONFLICT ({keyed}) {_on_conflict(name, update)}"
    )
    return connection.exec_driver_sql(statement, (given,)).rowcount


def _json_value(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]


def _upsert_many(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    update: Sequence[str],
) -> int:
    name = _PREPARER.format_table(table)
    listed, keyed = _names(columns), _names(_key(table))
    connection.exec_driver_sql(
        f"SET LOCAL work_mem = '{SORT_MEMORY}'; "
        f"CREATE TEMPORARY TABLE {_STAGING} ON COMMIT DROP AS SELECT {listed} FROM {name} LIMIT 0"
    )
    copy_rows(connection, _STAGING, columns, rows)
    result = connection.exec_driver_sql(
        f"INSERT INTO {name} ({listed}) SELECT DISTINCT ON ({keyed}) {listed} FROM {_STAGING} "
        f"ORDER BY {keyed}, ctid DESC ON CONFLICT ({keyed}) {_on_conflict(name, update)}"
    )  # in a table that was only filled, ctid is the order of the rows
    connection.exec_driver_sql(f"DROP TABLE {_STAGING}")
    return result.rowcount


def driver_of(connection: Connection) -> "psycopg2.extensions.connection":
    """The driver's connection, in a transaction whose time is limited (`session`).

    SQLAlchemy begins a transaction with its own statements only, and the driver with any.
    """
    if not connection.in_transaction():
        connection.begin()
    return cast("psycopg2.extensions.connection", connection.connection.driver_connection)


def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """COPY rows into a table or temporary table, streaming; raises what the rows raise.

    Raises:
        DBAPIError: Postgres refuses a row or goes away, as with any other statement.
    """
    reader = _RowReader(rows)
    driver = driver_of(connection)
    statement = f"COPY {_PREPARER.quote(table)} ({_names(columns)}) FROM STDIN"
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, BufferedReader(reader, _BUFFER), _BUFFER)
    except psycopg2.Error as error:
        if reader.error is not None:
            raise reader.error from None  # the driver would hide what the rows raised
        raise DBAPIError.instance(statement, None, error, psycopg2.Error) from error


def _names(columns: Iterable[str]) -> str:
    return ", ".join(_PREPARER.quote(column) for column in columns)


def _on_conflict(table: str, update: Sequence[str]) -> str:
    if not update:
        return "DO NOTHING"
    quoted = [_PREPARER.quote(column) for column in update]
    assignments = ", ".join(f"{column} = excluded.{column}" for column in quoted)
    old = ", ".join(f"{table}.{column}" for column in quoted)
    new = ", ".join(f"excluded.{column}" for column in quoted)
    return f"DO UPDATE SET {assignments} WHERE ({old}) IS DISTINCT FROM ({new})"


class _RowReader(RawIOBase):
    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._lines: Iterator[str] = map(_copy_line, rows)
        self._rest = bytearray()
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        while len(self._rest) < size and (block := self._next_block()):
            self._rest += block
        part = self._rest[:size]
        del self._rest[:size]
        buffer[: len(part)] = part
        return len(part)

    def _next_block(self) -> bytes:
        try:
            return "".join(islice(self._lines, _BLOCK)).encode()
        except Exception as error:
            self.error = error
            raise


def _copy_line(row: Sequence[Any]) -> str:
    return "\t".join(map(_copy_value, row)) + "\n"


def _copy_value(value: Any) -> str:
    if isinstance(value, str):  # first, since most values are text
        return _escaped(value)
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return _escaped("{" + ",".join(map(_array_element, value)) + "}")
    return _escaped(json.dumps(value) if isinstance(value, dict) else str(value))


def _escaped(text: str) -> str:
    """Escape a text for COPY; four searches that find nothing cost less than a table."""
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def _array_element(element: str) -> str:
    quoted = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
