"""A Postgres that takes no changes, as one that is a copy of another."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

_END_OTHERS = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
""")


@contextmanager
def reading_only(engine: Engine) -> Iterator[None]:
    """Have a database take no changes until the block ends; all its sessions begin anew."""
    _set(engine, "on")
    try:
        yield
    finally:
        _set(engine, "off")


def _set(engine: Engine, mode: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        changed = f'ALTER DATABASE "{name}" SET default_transaction_read_only = {mode}'
        connection.execute(text(changed))
        connection.execute(_END_OTHERS)
        connection.invalidate()
