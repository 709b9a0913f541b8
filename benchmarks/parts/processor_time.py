"""Seconds of the processor that this process and a Postgres on this machine have used."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_POSTMASTER = text("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")
_PARENT, _OWN, _CHILDREN = 1, slice(11, 13), slice(13, 15)  # of /proc/PID/stat, behind the name


@dataclass(frozen=True, kw_only=True)
class Used:
    """Seconds of the processor, user and system."""

    own: float
    postgres: float

    @property
    def total(self) -> float:
        return self.own + self.postgres

    def __sub__(self, before: "Used") -> "Used":
        return Used(own=self.own - before.own, postgres=self.postgres - before.postgres)


class ProcessorTime:
    """What this process and all processes of the Postgres of an engine have used so far.

    `but`: process IDs of backends that do not count. Background processes, autovacuum too, count;
    those that have ended are among what their parent waited for.
    """

    def __init__(self, engine: Engine, *, but: frozenset[int] = frozenset()) -> None:
        with engine.connect() as connection:
            self._postmaster = int(connection.execute(_POSTMASTER).scalar_one())
        self._but = but

    def used(self) -> Used:
        """What was used until now."""
        times = os.times()
        return Used(own=times.user + times.system, postgres=self._postgres())

    def _postgres(self) -> float:
        ticks = sum(map(int, _fields(self._postmaster)[_CHILDREN]))
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                fields = _fields(int(path.name))
                is_ours = self._postmaster in (int(path.name), int(fields[_PARENT]))
                if is_ours and int(path.name) not in self._but:
                    ticks += sum(map(int, fields[_OWN]))
        return ticks / TICKS_PER_SECOND


def seconds_of(process_id: int) -> float:
    """Seconds of the processor that one process has used."""
    return sum(map(int, _fields(process_id)[_OWN])) / TICKS_PER_SECOND


def _fields(process_id: int) -> list[str]:
    """What follows the name in /proc/PID/stat: state, parent, ..."""
    stat = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()
