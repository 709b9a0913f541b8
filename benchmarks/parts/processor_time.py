"""Processor seconds of this process and of a Postgres on this machine."""

from contextlib import suppress
from dataclasses import dataclass

import psutil
from sqlalchemy import Engine, text

_POSTMASTER = text("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")


@dataclass(frozen=True, kw_only=True)
class Used:
    """Processor seconds, user and system."""

    own: float
    postgres: float

    def __sub__(self, before: "Used") -> "Used":
        return Used(own=self.own - before.own, postgres=self.postgres - before.postgres)


class ProcessorTime:
    """Processor seconds of this process and of all processes of an engine's Postgres so far.

    Background processes count, also autovacuum. Ended processes are in the figure of their parent.
    """

    def __init__(self, engine: Engine) -> None:
        with engine.connect() as connection:
            self._postmaster = psutil.Process(int(connection.execute(_POSTMASTER).scalar_one()))

    def used(self) -> Used:
        own = psutil.Process().cpu_times()
        ended = self._postmaster.cpu_times()
        postgres = ended.children_user + ended.children_system
        for each in (self._postmaster, *self._postmaster.children()):
            with suppress(psutil.NoSuchProcess):  # it has ended
                times = each.cpu_times()
                postgres += times.user + times.system
        return Used(own=own.user + own.system, postgres=postgres)
