"""Names and keys that users give, and how a job is found by one.

A job is named by its ID, the start of its ID, its own name, or `last`. They are checked before
Postgres sees them, as it cannot store all.
"""

import re
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from common.errors import UsageError, blaming
from common.process.foreign_text import UNFIT
from common.store.tables import JobState
from common.store.tables.jobs import UNFINISHED

MAX_NAME = 200  # characters of a key or of the name of who submits
MAX_CONDITION = 2_000  # characters of what is searched for: URIs of concepts are longer
LAST = "last"  # the newest job
LEAST_PREFIX = 4  # characters; fewer begin too many IDs
_SHOWN = 40
_CANDIDATES_SHOWN = 5
_PREFIX = re.compile(r"[0-9a-f-]{1,36}")


def check_name(name: str | None, what: str, *, longest: int = MAX_NAME) -> None:
    """Refuse what is empty, too long, or holds control characters or bytes that are no text.

    Raises:
        UsageError: names `what` it is.
    """
    if name is None:
        return
    if not name:
        raise UsageError(f"The {what} is empty. Give a text, or leave out the {what}.")
    if len(name) > longest:
        raise UsageError(
            f"The {what} {name[:_SHOWN]!r}... has {len(name):,} characters. "
            f"It must not have more than {longest:,}."
        )
    if unfit := UNFIT.search(name):
        raise UsageError(
            f"The {what} {name[:_SHOWN]!r} contains the character {unfit[0]!r}. Names must "
            "not contain control characters."
        )


def check_job_name(name: str | None) -> None:
    """Refuse a name that cannot be told from an ID or from `last`.

    Raises:
        UsageError: says what is wrong with it.
    """
    with blaming("name"):
        check_name(name, "name of the job")
        if name is None:
            return
        cannot = f"{name!r} cannot be the name of a job"
        if name == LAST or id_of(name) is not None:
            raise UsageError(f"{cannot}. Commands understand it as a job ID or as the last job.")
        if name.startswith("-") or name != name.strip():
            raise UsageError(
                f"{cannot}. A name must not begin with -, and must not begin or end with a space."
            )


_NAMESAKE = text(f"""
    SELECT id, state FROM job
    WHERE name = :name AND id <> :job_id AND {UNFINISHED} LIMIT 1
""")


def check_unnamed(connection: Connection, name: str | None, job_id: UUID) -> None:
    """Refuse a name that another unfinished job has.

    Raises:
        UsageError: names that job.
    """
    asked = {"name": name, "job_id": job_id}
    namesake = connection.execute(_NAMESAKE, asked).first() if name else None
    if namesake:
        raise UsageError(
            f"Another job has the name {name!r} and is {namesake.state}: {namesake.id}. "
            "Choose another name, or wait until it is done.",
            field="name",
        )


_COLUMNS = "SELECT id, name, state, created_at FROM job"
_BY_ID = text(f"{_COLUMNS} WHERE id = :id")
_NEWEST = text(f"{_COLUMNS} ORDER BY created_at DESC, id LIMIT 1")
_BY_NAME = text(f"""
    {_COLUMNS} WHERE name = :name
    ORDER BY NOT {UNFINISHED}, created_at DESC LIMIT 100
""")
_BY_PREFIX = text(f"""
    {_COLUMNS} WHERE id BETWEEN CAST(:lowest AS uuid) AND CAST(:highest AS uuid)
    ORDER BY created_at DESC LIMIT 100
""")


def find_job(engine: Engine, job: str) -> UUID:
    """The job that a text names: by its ID, the start of its ID, its name, or `last`.

    Of several jobs with one name, the unfinished one counts, else the newest. A name goes before
    the start of an ID.

    Raises:
        UsageError: the text names no job, or several.
    """
    with engine.connect() as connection:
        rows = _find(connection, job)
    if not rows:
        if job == LAST:
            raise UsageError("There is no job yet. Next: worker enqueue FILE")
        if id_of(job) is not None:
            raise UsageError(f"There is no job {job}. List jobs: worker jobs")
        short = (
            f" A prefix has at least {LEAST_PREFIX} characters." if len(job) < LEAST_PREFIX else ""
        )
        raise UsageError(
            f"{job[:_SHOWN]!r} is not the ID, prefix or name of a job.{short} List jobs: "
            "worker jobs"
        )
    if len(rows) > 1:
        raise UsageError(_ambiguous(job, rows))
    found: UUID = rows[0].id
    return found


def _find(connection: Connection, job: str) -> list[Row[UUID, str | None, str, object]]:
    if job == LAST:
        return list(connection.execute(_NEWEST))
    if (job_id := id_of(job)) is not None:
        return list(connection.execute(_BY_ID, {"id": job_id}))
    if UNFIT.search(job):
        return []
    named = list(connection.execute(_BY_NAME, {"name": job}))
    unfinished = [row for row in named if not JobState(row.state).is_over]
    return unfinished or named[:1] or _begin_with(connection, job)


def _begin_with(connection: Connection, prefix: str) -> list[Row[UUID, str | None, str, object]]:
    prefix = prefix.lower()
    if len(prefix) < LEAST_PREFIX or not _PREFIX.fullmatch(prefix):
        return []
    digits = prefix.replace("-", "")
    lowest, highest = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    if not str(lowest).startswith(prefix.rstrip("-")):  # its dashes are not where an ID has them
        return []
    return list(connection.execute(_BY_PREFIX, {"lowest": lowest, "highest": highest}))


def _ambiguous(job: str, rows: list[Row[UUID, str | None, str, object]]) -> str:
    shown = [
        f"  {row.id}  {row.state}, {row.created_at:%Y-%m-%d %H:%M}"
        + (f", {row.name}" if row.name else "")
        for row in rows[:_CANDIDATES_SHOWN]
    ]
    more = len(rows) - len(shown)
    others = [f"  and {more:,} more"] if more else []
    return "\n".join([f"{job!r} fits {len(rows)} jobs. Give the ID of one job:", *shown, *others])


def id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
