"""Sessions."""

from dataclasses import dataclass

from common.store.tables import Role


@dataclass(frozen=True, kw_only=True)
class LoggedIn:
    """An account that is logged in."""

    number: int
    name: str
    role: Role
    csrf: str
