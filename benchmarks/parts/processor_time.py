"""Seconds of the processor that this process and a Postgres on this machine have used, and what the
whole machine was busy with."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import fsum
from pathlib import Path

from sqlalchemy import Engine, text

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_POSTMASTER = text("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")
_PARENT, _OWN, _CHILDREN = 1, slice(11, 13), slice(13, 15)  # of /proc/PID/stat, behind the name


@dataclass(frozen=True, kw_only=True)
class Used:
    """Seconds of the processors, user and system; `machine`: of all that ran on it."""

    own: float
    postgres: float
    machine: float

    @property
    def total(self) -> float:
        return self.own + self.postgres

    @property
    def others(self) -> float:
        """What others used, who may have been in the way."""
        return self.machine - self.total

    def __sub__(self, before: "Used") -> "Used":
        return Used(
            own=self.own - before.own,
            postgres=self.postgres - before.postgres,
            machine=self.machine - before.machine,
        )

    @classmethod
    def sum(cls, parts: Iterable["Used"]) -> "Used":
        """All of it together."""
        columns = zip(*((each.own, each.postgres, each.machine) for each in parts), strict=True)
        own, postgres, machine = map(fsum, columns)
        return cls(own=own, postgres=postgres, machine=machine)


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
        return Used(
            own=times.user + times.system, postgres=self._postgres(), machine=_machine_seconds()
        )

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


def _machine_seconds() -> float:
    """What all processors were busy with; what a hypervisor took away counts as well."""
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, _idle, _waiting, interrupts, soft, stolen, *_ = map(int, line.split()[1:])
    return (user + nice + system + interrupts + soft + stolen) / TICKS_PER_SECOND


def _fields(process_id: int) -> list[str]:
    """What follows the name in /proc/PID/stat: state, parent, ..."""
    stat = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()
