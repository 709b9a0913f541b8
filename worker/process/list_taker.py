"""Keeps the program running that takes lists of record IDs from the broker.

A message may end that program, and come back to the queue. After the first end the program is
started again in 2 seconds, after the second in 4, after the third in ten minutes; then the count
starts again at the first. The count also starts again when a list is accepted, and an end counts
for ten minutes.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen

import structlog

from common.broker import check_broker
from common.broker.broker_url import read_broker_url
from common.errors import BrokerError
from common.process.periodic import PeriodicThread
from common.process.settings import BrokerSettings

COMMAND = (sys.executable, "-P", "-m", "worker.process.list_program")
MOST_ENDS = 3  # without an accepted list in between
FIRST_DELAY = 2.0  # seconds, until it is started again; twice as many after the second end
TEN_MINUTES = 600.0  # seconds, in which they are counted, and that are then waited
END_SECONDS = 5.0
RUNBOOK = "docs/runbooks/broken.md#lists-are-not-taken"

log = structlog.get_logger()


def _environment() -> dict[str, str]:
    """Ours, where the program is of the same release as this one."""
    given = os.environ.get("PYTHONPATH")
    places = [str(Path(__file__).resolve().parents[2]), *([given] if given else [])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(places)}


class ListTaker(PeriodicThread):
    """Starts the program, and starts it again if it ends.

    Raises:
        UsageError: BROKER_URL is malformed, or no URL of a broker that we know.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        super().__init__("lists", interval=0.0, at_once=True)
        read_broker_url(settings)
        self._settings = settings
        self._program: Popen[bytes] | None = None
        self._ends: list[float] = []  # of the monotonic clock

    def check(self) -> None:
        """Make sure that the broker is there, and the program as well.

        Raises:
            BrokerError: one of them is not.
        """
        check_broker(self._settings)
        if self._has_ended_often:
            raise BrokerError(
                f"The program that takes lists from the broker ended {MOST_ENDS} times. The "
                f"worker starts it again within {TEN_MINUTES / 60:.0f} minutes. See {RUNBOOK}"
            )

    @property
    def _has_ended_often(self) -> bool:
        return len(self._ends) >= MOST_ENDS

    def run_once(self) -> None:
        if self._has_ended_often:
            self._ends.clear()
        with Popen(
            COMMAND, env=_environment(), stdin=PIPE, stdout=PIPE, start_new_session=True
        ) as self._program:
            if self.stopping.is_set():
                self.tell_to_end()
            while self._program.stdout and self._program.stdout.read(1):
                self._ends.clear()
        if not self.stopping.is_set():
            self._note_end(self._program.returncode)

    def _note_end(self, exit_code: int) -> None:
        now = time.monotonic()
        self._ends = [at for at in self._ends if now - at < TEN_MINUTES] + [now]
        seconds = self.seconds_until_next()
        log.warning("the program that takes lists has ended", exit_code=exit_code, again_in=seconds)
        if self._has_ended_often:
            log.error("no lists are taken for ten minutes: a message may be the cause", see=RUNBOOK)

    def seconds_until_next(self) -> float:
        if self._has_ended_often:
            return TEN_MINUTES
        return FIRST_DELAY * 2 ** (len(self._ends) - 1) if self._ends else FIRST_DELAY

    def tell_to_end(self) -> None:
        """Have the program end, without waiting for it."""
        self.stopping.set()
        if self._program is not None and self._program.stdin is not None:
            self._program.stdin.close()

    def stop(self) -> None:
        self.tell_to_end()
        if self._program is not None:
            try:
                self._program.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._program.kill()
        super().stop()
