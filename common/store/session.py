"""The way to the store: one engine a process, checked once to be reachable and migrated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from common.errors import StoreError, UsageError, cause
from common.process.settings import StoreSettings

CONNECT_TIMEOUT = 10  # seconds
MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def store_url(settings: StoreSettings) -> URL:
    """The URL of the store for SQLAlchemy, whichever driver the environment named.

    Raises:
        UsageError: DATABASE_URL is no Postgres URL.
    """
    try:
        url = make_url(settings.database_url.get_secret_value())
    except ArgumentError:
        raise UsageError(
            "DATABASE_URL is no URL; expected postgresql://user:password@host/database."
        ) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise UsageError(f"DATABASE_URL names {url.get_backend_name()}; the store is Postgres.")
    return url.set(drivername="postgresql+psycopg2")


def open_store(settings: StoreSettings | None = None) -> Engine:
    """An engine on the migrated store.

    Raises:
        UsageError: DATABASE_URL is missing or malformed.
        StoreError: Postgres cannot be reached, or its schema is not today's.
    """
    url = store_url(settings or StoreSettings.read())
    engine = create_engine(
        url,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "image-enrichment"},
    )
    with store_errors(url), engine.connect() as connection:
        _check_migrated(connection)
    return engine


def _check_migrated(connection: Connection) -> None:
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise StoreError(
            f"The database is at migration {current or 'none'}, this program needs {head}; "
            "run: alembic upgrade head"
        )


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turn what the driver raises on connecting into a StoreError without the password.

    Raises:
        StoreError: Postgres cannot be reached.
    """
    try:
        yield
    except OperationalError as error:
        where = url.set(drivername="postgresql").render_as_string(hide_password=True)
        raise StoreError(f"Postgres at {where} cannot be reached: {cause(error)}") from None
