"""An empty, migrated database for each test: the last one's, emptied, or a new one.

Emptying a database takes a hundredth of the time of making one. It is thrown away if a test changed
its schema, which triggers notice.
"""

from contextlib import closing
from uuid import uuid4

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from deploy.local import Postgres

FILLED = ("alembic_version", "schema_compatibility")  # by migrations
SECONDS = 60  # in which sessions end

_WATCH = """
CREATE SCHEMA watch;
CREATE TABLE watch.changes (tag text);
CREATE TABLE watch.alembic_version AS TABLE alembic_version;
CREATE TABLE watch.schema_compatibility AS TABLE schema_compatibility;
CREATE FUNCTION watch.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_EVENT = 'sql_drop' THEN
        PERFORM FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary;
    ELSE
        PERFORM FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp';
    END IF;
    IF FOUND THEN INSERT INTO watch.changes VALUES (TG_TAG);
    END IF;
END $$;
CREATE EVENT TRIGGER watch_made ON ddl_command_end EXECUTE FUNCTION watch.note();
CREATE EVENT TRIGGER watch_dropped ON sql_drop EXECUTE FUNCTION watch.note();
"""
_END_SESSIONS = f"""
SELECT pg_terminate_backend(pid, {SECONDS * 1000}) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# For a test that copies a database as an operator's is; this too is a change of the schema.
UNWATCH = (
    *("DROP EVENT TRIGGER watch_made", "DROP EVENT TRIGGER watch_dropped"),
    "DROP SCHEMA watch CASCADE",
)
_IS_WATCHED = "SELECT true FROM pg_namespace WHERE nspname = 'watch'"
_SCHEMA_CHANGES = "SELECT tag FROM watch.changes"
_CHANGED_ROWS = " UNION ALL ".join(
    f"(SELECT to_jsonb(each) FROM {here} AS each EXCEPT SELECT to_jsonb(each) FROM {there} AS each)"
    for name in FILLED
    for here, there in ((name, f"watch.{name}"), (f"watch.{name}", name))
)
_TABLES = f"""
SELECT format('%I', tablename) FROM pg_tables
WHERE schemaname = 'public' AND tablename NOT IN {FILLED}
"""
# A sequence of the template may have skipped numbers when a test killed the server.
_COUNT_FROM_THE_START = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"


class Databases:
    """Databases of one server, one after the other, each a copy of `template` at first."""

    def __init__(self, postgres: Postgres, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._name = ""
        self._is_empty = False

    def take(self) -> str:
        """The address of an empty database."""
        if not self._is_empty:
            self._make()
        self._is_empty = False
        return self._postgres.database_url(self._name)

    def give_back(self) -> None:
        """Empty the database, if it is still what the next test wants."""
        with self._connected() as connection:
            _execute(connection, _END_SESSIONS)
            if _is_as_it_was(connection):
                _empty(connection)
                self._is_empty = True

    def _make(self) -> None:
        if self._name:
            administer(self._postgres, f"DROP DATABASE {self._name} WITH (FORCE)")
        self._name = f"test_{uuid4().hex}"
        copied = f"TEMPLATE {self._template} STRATEGY FILE_COPY"
        administer(self._postgres, f"CREATE DATABASE {self._name} {copied}")
        with self._connected() as connection:
            _execute(connection, _COUNT_FROM_THE_START)
            _execute(connection, _WATCH)

    def _connected(self) -> closing[Connection]:
        return closing(_connect(self._postgres.database_url(self._name)))


def administer(postgres: Postgres, statement: str) -> None:
    """Execute a statement outside of transactions and of databases of tests."""
    with closing(_connect(postgres.url)) as connection:
        _execute(connection, statement)


def _is_as_it_was(connection: Connection) -> bool:
    """Whether all but its rows is what migrations made."""
    return bool(_execute(connection, _IS_WATCHED)) and not (
        _execute(connection, _SCHEMA_CHANGES) or _execute(connection, _CHANGED_ROWS)
    )


def _empty(connection: Connection) -> None:
    _execute(connection, "SET session_replication_role = replica")  # no foreign key, no trigger
    with connection.cursor() as cursor:
        for (table,) in _execute(connection, _TABLES):
            cursor.execute(f"DELETE FROM {table}")
            if cursor.rowcount:  # else the planner goes by the dead rows
                cursor.execute(f"VACUUM {table}")
    _execute(connection, _COUNT_FROM_THE_START)


def _connect(url: str) -> Connection:
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    connection.autocommit = True
    return connection


def _execute(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
