"""The way to the store: one engine a process, checked once to be reachable and to serve it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url, select
from sqlalchemy.exc import OperationalError

from common.errors import StoreError, cause
from common.process.service_urls import check_service_url, shown
from common.process.settings import StoreSettings
from common.store.tables import SchemaCompatibility

CONNECT_TIMEOUT = 10  # seconds
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


def open_store(settings: StoreSettings | None = None) -> Engine:
    """An engine on a store whose schema serves this program.

    Raises:
        UsageError: DATABASE_URL is missing or malformed.
        StoreError: Postgres cannot be reached, or its schema does not serve this program.
    """
    url = store_url(settings or StoreSettings.read())
    engine = create_engine(
        url,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "image-enrichment"},
    )
    with store_errors(url), engine.connect() as connection:
        check_schema(connection)
    return engine


def check_schema(connection: Connection) -> None:
    """Refuse a schema that does not serve this program.

    The names of migrations are numbers, so they have an order. A program knows the migrations up to
    its own. Only a newer schema itself can say whether it still serves the program.

    Raises:
        StoreError: the schema is empty, is older than this program, or has left it behind.
    """
    current = MigrationContext.configure(connection).get_current_revision()
    known = ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""
    database = f"The database at {_shown(connection.engine.url)}"
    if current is None:
        raise StoreError(
            f"{database} is empty: none of our tables are in it. "
            "Prepare it with: alembic upgrade head"
        )
    if current < known:
        raise StoreError(
            f"{database} is at migration {current}; this program needs {known}. "
            "Run: alembic upgrade head"
        )
    if current > known:
        _check_still_served(connection, f"{database} is at migration {current}", known)


def _check_still_served(connection: Connection, found: str, known: str) -> None:
    serves_from = None
    if inspect(connection).has_table(SchemaCompatibility.__tablename__):
        serves_from = connection.scalar(select(SchemaCompatibility.serves_from))
    if serves_from is None:
        raise StoreError(
            f"{found}, which this program, at {known}, does not know, and does not say whom it "
            "serves. Check that DATABASE_URL names the right database."
        )
    if known < serves_from:
        raise StoreError(
            f"{found} and serves programs from {serves_from} on; this program knows {known}. "
            "Install a newer release."
        )


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turn the driver's connection errors into a StoreError without the password.

    Raises:
        StoreError: Postgres cannot be reached.
    """
    try:
        yield
    except OperationalError as error:
        raise StoreError(f"Postgres at {_shown(url)} cannot be reached: {cause(error)}") from error


def _shown(url: URL) -> str:
    return shown(url.set(drivername="postgresql").render_as_string(hide_password=True))
