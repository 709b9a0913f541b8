"""Runs the migrations on DATABASE_URL, one migrator at a time."""

from alembic import command, context
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from common.errors import EnrichmentError, StoreError, cause
from common.process.database_trouble import is_there, trouble
from common.process.settings import StoreSettings
from common.store.session import check_schema, store_errors, store_url
from common.store.signals import AdvisoryLock
from common.store.tables import Base

LOCK_SECONDS = 5  # while a migration waits for a table, whoever comes after it waits too
NOTHING_TO_DO = "A newer release migrated this database; it serves this one as well."


def migrate() -> None:
    """Bring the database to the migration that was asked for."""
    url = store_url(StoreSettings.read())
    engine = create_engine(url)
    with store_errors(url), engine.begin() as connection:
        connection.execute(text(AdvisoryLock.MIGRATIONS.take))
        context.configure(connection=connection, target_metadata=Base.metadata)
        if is_left_to_newer_release(connection):
            context.config.print_stdout(NOTHING_TO_DO)
        else:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            run_migrations()
    engine.dispose()


def run_migrations() -> None:
    """Carry out what was asked for.

    Raises:
        StoreError: somebody else holds a table for long, or the connection was lost.
    """
    try:
        context.run_migrations()
    except OperationalError as error:
        what = trouble(error) if is_there(error) else cause(error)
        raise StoreError(
            f"The migration changed nothing: {what}. Where something long is under way, "
            "such as an export, run it again afterwards."
        ) from None


def is_left_to_newer_release(connection: Connection) -> bool:
    """Whether an upgrade is asked for that a newer release has done, and more.

    Where a new release is taken back, the one before migrates again before its services start.

    Raises:
        StoreError: the schema does not serve this release any more.
    """
    options = context.config.cmd_opts  # none where a test migrates
    if options is None or options.cmd[0] is not command.upgrade:
        return False
    current = context.get_context().get_current_revision() or ""
    is_newer = current > str(context.get_head_revision())
    if is_newer:
        check_schema(connection)
    return is_newer


try:
    migrate()
except EnrichmentError as error:
    raise CommandError(str(error)) from None
