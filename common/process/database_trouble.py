"""What an error of the database means: it is away, or it is there and refused to wait longer."""

from psycopg2 import errorcodes
from sqlalchemy.exc import InterfaceError, OperationalError

AWAY = (OperationalError, InterfaceError)  # worth another try later
_THERE = {
    errorcodes.LOCK_NOT_AVAILABLE: "another process holds a lock in the database for too long",
    errorcodes.DEADLOCK_DETECTED: "two transactions waited for each other in the database",
    errorcodes.QUERY_CANCELED: "the database cancelled a statement",
}


def trouble(error: BaseException) -> str:
    """What is wrong, in words, where an error of the class AWAY was raised."""
    return _THERE.get(_code(error) or "", "the database is away")


def is_there(error: BaseException) -> bool:
    """Whether the database answered: it refused, and is not away."""
    return _code(error) in _THERE


def _code(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", error), "pgcode", None)
