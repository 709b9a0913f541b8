"""Runs the migrations on DATABASE_URL, one migrator at a time."""

from alembic import context
from alembic.util import CommandError
from sqlalchemy import create_engine, text

from common.errors import EnrichmentError
from common.process.settings import StoreSettings
from common.store.session import store_errors, store_url
from common.store.tables import Base

LOCK = 7_224_109_663  # any number that no other advisory lock of this database uses


def migrate() -> None:
    """Bring the database to the migration that was asked for."""
    url = store_url(StoreSettings.read())
    engine = create_engine(url)
    with store_errors(url), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.configure(connection=connection, target_metadata=Base.metadata)
        context.run_migrations()
    engine.dispose()


try:
    migrate()
except EnrichmentError as error:
    raise CommandError(str(error)) from None
