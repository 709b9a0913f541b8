"""The advisory lock that lets one dispatcher choose at a time, and who holds it for too long.

A dispatcher that does not get the lock has done its work: another one chooses. Unless that one's
process was stopped, or hangs: then nothing is dispatched or swept by anybody.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

LOCK = 7_224_109_664  # an arbitrary number; no other advisory lock of this database has it
HELD_TOO_LONG = 30.0  # seconds; choosing takes milliseconds, and a paused session is ended after 60

_TAKE = text("SELECT pg_try_advisory_xact_lock(:lock)")
_HOLDER = text("""
    SELECT holder.pid, holder.state,
           CAST(extract(epoch FROM clock_timestamp() - holder.xact_start) AS float8) AS seconds
    FROM pg_locks JOIN pg_stat_activity AS holder USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
      AND classid = CAST(:high AS oid) AND objid = CAST(:low AS oid)
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND holder.xact_start < clock_timestamp() - make_interval(secs => :seconds)
""")


@dataclass(frozen=True, kw_only=True)
class LockHolder:
    """A session of Postgres that has had the lock for `seconds`: nobody has chosen since then."""

    pid: int
    state: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"no dispatcher has chosen for {self.seconds:.0f} seconds: session {self.pid} of "
            f"Postgres holds its lock and is {self.state}; "
            f"SELECT pg_terminate_backend({self.pid}) ends it"
        )


def take(connection: Connection) -> bool:
    """Take the lock until the transaction ends; False if another dispatcher has it."""
    return bool(connection.execute(_TAKE, {"lock": LOCK}).scalar_one())


def slow_holder(
    connection: Connection, *, held_too_long: float = HELD_TOO_LONG
) -> LockHolder | None:
    """Who has had the lock for too long; None if nobody has, or Postgres does not tell us."""
    asked = {"high": LOCK >> 32, "low": LOCK & 0xFFFF_FFFF, "seconds": held_too_long}
    row = connection.execute(_HOLDER, asked).one_or_none()
    return None if row is None else LockHolder(pid=row.pid, state=row.state, seconds=row.seconds)
