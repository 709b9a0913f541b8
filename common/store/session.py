"""The way to the store: one engine a process, checked once to be reachable and to serve it.

Every transaction has time limits: for locks that it waits for, and for pauses between its
statements. So a process that was stopped in a transaction holds its locks for a minute, not for
ever. The limits are set in each transaction, since PgBouncer, where it lends a connection for a
transaction, knows neither start-up options nor settings of a session. A COPY that waits for slow
input is no pause: it is at work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import OperationalError

from common.errors import StoreError, cause
from common.process.database_trouble import is_there, last_words
from common.process.service_urls import check_service_url, shown
from common.process.settings import StoreSettings
from common.store.tables import SchemaCompatibility

CONNECTIONS = 15  # at most, of a process that does not say how many it needs
KEPT_OPEN = 8  # connections; those above are closed when they are given back
CONNECT_TIMEOUT = 10  # seconds
LONGEST_PAUSE = 6 * 3600.0  # seconds, where pauses are expected
# A server that vanished without a word is noticed within a minute.
_NETWORK = {
    "keepalives": 1,
    "keepalives_idle": 20,  # seconds
    "keepalives_interval": 10,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
_PLAIN = {"stream_results": False, "yield_per": None}  # of a statement that returns nothing
_SCHEMES, _EXAMPLE = ("postgresql", "postgres"), "postgresql://user:password@host/database"
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def store_url(settings: StoreSettings) -> URL:
    """The URL of the store for SQLAlchemy, whichever driver the environment named.

    Raises:
        UsageError: DATABASE_URL is malformed, or no URL of a Postgres.
    """
    url = settings.database_url.get_secret_value()
    check_service_url(url, variable="DATABASE_URL", schemes=_SCHEMES, example=_EXAMPLE)
    return make_url(url).set(drivername="postgresql+psycopg2")


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """Seconds that a transaction may wait for a lock, pause between two statements, and wait
    for a connection of the engine that others use."""

    lock: float = 20.0
    pause: float = 60.0
    connection: float = 30.0


LIMITS = TimeLimits()


def open_store(
    settings: StoreSettings | None = None,
    *,
    limits: TimeLimits | None = None,
    connections: int = CONNECTIONS,
) -> Engine:
    """An engine on a store whose schema serves this program.

    Args:
        limits: those of every transaction.
        connections: how many the engine opens at most; who needs one more waits for it.

    Raises:
        UsageError: DATABASE_URL is missing or malformed.
        StoreError: Postgres cannot be reached, or its schema does not serve this program.
    """
    url, limits = store_url(settings or StoreSettings.read()), limits or LIMITS
    engine = create_engine(
        url,
        pool_timeout=limits.connection,
        pool_pre_ping=True,
        pool_size=min(KEPT_OPEN, connections),
        max_overflow=max(0, connections - KEPT_OPEN),
        connect_args=_NETWORK
        | {"connect_timeout": CONNECT_TIMEOUT, "application_name": "image-enrichment"}
        | {"client_encoding": "utf8"},  # whatever PGCLIENTENCODING says
    )
    _limit_transactions(engine, limits)
    try:
        with store_errors(url), engine.connect() as connection:
            check_schema(connection)
    except BaseException:
        engine.dispose()  # who asks again and again must not gather connections
        raise
    return engine


def _limit_transactions(engine: Engine, limits: TimeLimits) -> None:
    statement = f"SET LOCAL lock_timeout = {_milliseconds(limits.lock)}; {_pause(limits.pause)}"

    @event.listens_for(engine, "begin")
    def limit(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql(statement, execution_options=_PLAIN)


def allow_pauses(connection: Connection) -> None:
    """Let the transaction wait for hours between two statements: for a reader, or for files.

    Only for transactions that hold no lock for which others wait.
    """
    connection.exec_driver_sql(_pause(LONGEST_PAUSE), execution_options=_PLAIN)


def limit_lock_wait(connection: Connection, seconds: float) -> None:
    """Let the transaction wait less for its locks: others queue behind one that waits."""
    statement = f"SET LOCAL lock_timeout = {_milliseconds(seconds)}"
    connection.exec_driver_sql(statement, execution_options=_PLAIN)


def _pause(seconds: float) -> str:
    return f"SET LOCAL idle_in_transaction_session_timeout = {_milliseconds(seconds)}"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would be no limit


def own_session(connection: Connection) -> int | None:
    """The number of the session of Postgres that the connection keeps; None if a pooler lends it,
    of whose session the driver knows another number than Postgres."""
    pid: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    known = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]  # psycopg2's
    return pid if known == pid else None


def check_schema(connection: Connection) -> None:
    """Refuse a schema that does not serve this program.

    The names of migrations are numbers, so they have an order. A program knows the migrations up to
    its own. Only a newer schema itself can say whether it still serves the program.

    Raises:
        StoreError: the schema is empty, is older than this program, or has left it behind.
    """
    current, known = migration_of(connection), newest_migration()
    database = f"The database at {shown_url(connection.engine.url)}"
    if current is None:
        raise StoreError(
            f"{database} is empty: it has no tables of this product. Prepare it with: "
            "enrichment prepare"
        )
    if current < known:
        raise StoreError(
            f"{database} is at migration {current}; this program needs {known}. "
            "Run: enrichment prepare"
        )
    if current > known:
        _check_still_served(connection, f"{database} is at migration {current}", known)


def newest_migration() -> str:
    """The newest migration that this program knows, by the names of their files.

    Alembic would say the same, but it takes a tenth of a second to load.
    """
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migration_of(connection: Connection) -> str | None:
    """The migration that the schema is at; None if Alembic has not been there."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _check_still_served(connection: Connection, found: str, known: str) -> None:
    serves_from = None
    if inspect(connection).has_table(SchemaCompatibility.__tablename__):
        serves_from = connection.scalar(select(SchemaCompatibility.serves_from))
    if serves_from is None:
        raise StoreError(
            f"{found}, which this program, at {known}, does not know. Check that DATABASE_URL "
            "is the address of the right database."
        )
    if known < serves_from:
        raise StoreError(
            f"{found} and works only with programs from migration {serves_from} on; this "
            f"program has {known}. "
            "Install a newer release."
        )


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turn the driver's errors into a StoreError without the password.

    Raises:
        StoreError: Postgres cannot be reached, or another process holds a lock for too long.
    """
    try:
        yield
    except OperationalError as error:
        if is_there(error):
            raise StoreError(
                f"Postgres at {shown_url(url)} did not do the work. {last_words(error)}"
            ) from error
        raise StoreError(
            f"Postgres at {shown_url(url)} cannot be reached: {cause(error)}. "
            "Start it, or correct DATABASE_URL."
        ) from error


def shown_url(url: URL) -> str:
    return shown(url.set(drivername="postgresql").render_as_string(hide_password=True))
