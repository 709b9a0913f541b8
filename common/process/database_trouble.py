"""What an error of the database means: it is away, takes nothing, or refused to wait longer."""

from psycopg2 import errorcodes
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from common.errors import cause

_GONE = (OperationalError, InterfaceError)
AWAY = (*_GONE, InternalError)  # worth another try later; the last one also of one that only reads
_TAKES_NOTHING = {
    errorcodes.DISK_FULL: "the disk of the database is full",
    errorcodes.READ_ONLY_SQL_TRANSACTION: "the database is read-only",
}
_THERE = {
    errorcodes.LOCK_NOT_AVAILABLE: "another process holds a lock in the database for too long",
    errorcodes.DEADLOCK_DETECTED: "two transactions waited for each other in the database",
    errorcodes.QUERY_CANCELED: "the database cancelled a statement",
}
_WHAT_TO_DO = {
    errorcodes.LOCK_NOT_AVAILABLE: "The process may be a migration, an export or a stopped "
    "process. When this process has ended, run the same command again.",
    errorcodes.DEADLOCK_DETECTED: "Run the same command again.",
    errorcodes.QUERY_CANCELED: "Someone cancelled the statement, or it took too long. Run "
    "the same command again, or ask the administrator of the database.",
}


def trouble(error: BaseException) -> str:
    """What is wrong, in words, where an error of the class AWAY was raised."""
    code = _code(error) or ""
    if known := _TAKES_NOTHING.get(code) or _THERE.get(code):
        return known
    return (
        "the database is away" if isinstance(error, _GONE) else "the database has an internal error"
    )


def is_there(error: BaseException) -> bool:
    """Whether the database answered: it refused, and is not away."""
    return _code(error) in _THERE


def is_away(error: BaseException) -> bool:
    """Whether the database does not answer, or has no connection to give."""
    return isinstance(error, _GONE) and _code(error) not in {*_THERE, *_TAKES_NOTHING}


def is_locked(error: BaseException) -> bool:
    return _code(error) == errorcodes.LOCK_NOT_AVAILABLE


def last_words(error: DBAPIError) -> str:
    """What the user of a command reads that ended with this error: what happened, what to do."""
    if is_there(error):
        what = trouble(error)
        return f"{what[0].upper()}{what[1:]}. {_WHAT_TO_DO[_code(error) or '']}"
    if _code(error) == errorcodes.DISK_FULL:
        return (
            "The disk of the database is full. It has no incomplete data. Free some disk space, "
            "and run the same command again."
        )
    return f"Postgres refused the request or closed the connection: {cause(error)}"


def _code(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", error), "pgcode", None)
