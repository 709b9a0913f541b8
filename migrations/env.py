"""Runs the migrations on DATABASE_URL. A lock lets only one process migrate at a time."""

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

LOCK_SECONDS = 5  # while a migration waits for a table, later queries on the table wait too
NOTHING_TO_DO = "A newer release has migrated this database. It serves this one too."


def migrate() -> None:
    """Bring the database to the requested migration."""
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
    """Run the requested migrations.

    Raises:
        StoreError: another process locks a table for too long, or the connection was lost.
    """
    try:
        context.run_migrations()
    except OperationalError as error:
        what = trouble(error) if is_there(error) else cause(error)
        raise StoreError(
            f"The migration changed no table: {what}. If a long command is running, such as an "
            "export, wait until it ends. Then run the migration again."
        ) from None


def is_left_to_newer_release(connection: Connection) -> bool:
    """Whether a newer release has already done the requested upgrade, and more.

    This happens after a rollback: the older release migrates before its services start.

    Raises:
        StoreError: the schema no longer serves this release.
    """
    options = context.config.cmd_opts  # None if a test migrates
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
