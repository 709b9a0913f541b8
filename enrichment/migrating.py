"""Preparing the store: its migrations, from wherever the programs are installed."""

from argparse import Namespace
from dataclasses import dataclass
from io import StringIO

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text

from common.errors import StoreError
from common.process.settings import StoreSettings
from common.store.session import MIGRATIONS, migration_of, shown_url, store_errors, store_url


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """A store without its password, and its migration before and after; None: it was empty."""

    store: str
    before: str | None
    after: str


def prepare_store() -> Migrated:
    """Bring the store to the migration of this program; a newer one that serves it is left alone.

    Raises:
        UsageError: DATABASE_URL is missing or malformed.
        StoreError: Postgres cannot be reached, another process holds a table, the schema is of a
            release that does not serve this program, or the database does not keep all letters.
    """
    before = _migration()
    try:
        command.upgrade(_config(), "head")
    except CommandError as error:
        raise StoreError(str(error)) from None
    url = store_url(StoreSettings.read())
    return Migrated(store=shown_url(url), before=before, after=_migration() or "")


def _config() -> Config:
    """As the command line of Alembic makes it, without a file."""
    config = Config(stdout=StringIO(), cmd_opts=Namespace(cmd=(command.upgrade,)))
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _migration() -> str | None:
    url = store_url(StoreSettings.read())
    engine = create_engine(url)
    try:
        with store_errors(url), engine.connect() as connection:
            _check_encoding(connection)
            return migration_of(connection)
    finally:
        engine.dispose()


def _check_encoding(connection: Connection) -> None:
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise StoreError(
            f"The database at {shown_url(connection.engine.url)} has the encoding {encoding}; "
            "titles in all languages need UTF8. Make another database: CREATE DATABASE name "
            "ENCODING 'UTF8' TEMPLATE template0"
        )
