"""Accounts and logins for tests."""

from sqlalchemy import Engine

from common.store.tables import Role
from desk.access.accounts import DeskAccount, add_account
from desk.access.login import Entrance, log_in

PASSWORD = "correct horse battery"
HERE = "192.0.2.1"


def add(
    engine: Engine, name: str = "Anna", role: Role = Role.REVIEWER, subject: str | None = None
) -> DeskAccount:
    """An account that logs in by PASSWORD."""
    return add_account(engine, name, role=role, password=PASSWORD, subject=subject)


def enter(
    engine: Engine, name: str = "Anna", password: str = PASSWORD, browser: str | None = None
) -> Entrance:
    """A login from one address."""
    return log_in(engine, name=name, password=password, address=HERE, browser=browser)
