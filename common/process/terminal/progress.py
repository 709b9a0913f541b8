"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then
otherwise, both on standard error so that standard output stays the result."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from common.process.terminal.console import SafeConsole

SECONDS_BETWEEN_LINES = 10.0


class ProgressReport:
    """How far one piece of work has come; `note` is a short text shown behind the numbers."""

    def __init__(self, title: str, total: int | None) -> None:
        self.title = title
        self.total = total
        self.done = 0
        self.note = ""
        self._started = time.monotonic()

    def advance(self, count: int = 1, *, note: str | None = None) -> None:
        self.done += count
        if note is not None:
            self.note = note
        self._show()

    def expect_less(self, count: int) -> None:
        """Take units from the total that turned out not to be there."""
        if self.total is not None:
            self.total -= count
        self._show()

    @property
    def rate(self) -> float:
        return self.done / max(time.monotonic() - self._started, 1e-9)

    def line(self) -> str:
        if not self.done and self.total == 0:
            return f"{self.title}: nothing to do"
        of_total = f"/{self.total:,} ({self.done / self.total:.0%})" if self.total else ""
        left = ""
        if self.total and 0 < self.done < self.total:
            left = f", {_duration((self.total - self.done) / self.rate)} left"
        note = f", {self.note}" if self.note else ""
        return f"{self.title}: {self.done:,}{of_total}, {_rate(self.rate)}{left}{note}"

    def _show(self) -> None:
        raise NotImplementedError


class _Lines(ProgressReport):
    def __init__(self, title: str, total: int | None, console: SafeConsole) -> None:
        super().__init__(title, total)
        self._console = console
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        self._printed = -1

    def _show(self) -> None:
        if time.monotonic() >= self._next_line:
            self.print()

    def print(self) -> None:
        if self._printed == self.done:
            return
        self._printed = self.done
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        self._console.print(self.line(), highlight=False, soft_wrap=True)


class _Bar(ProgressReport):
    def __init__(self, title: str, total: int | None, bar: Progress) -> None:
        super().__init__(title, total)
        self._bar = bar
        self._task = bar.add_task(title, total=total, rate="", note="")

    def _show(self) -> None:
        self._bar.update(
            self._task,
            completed=self.done,
            total=self.total,
            rate=_rate(self.rate),
            note=self.note,
        )


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[ProgressReport]:
    """Report on work of `total` units (None: unknown) until the block ends."""
    console = SafeConsole(stderr=True)
    if not console.is_terminal or total == 0:  # a bar cannot say that there is nothing to do
        lines = _Lines(title, total, console)
        try:
            yield lines
        finally:
            lines.print()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        yield _Bar(title, total, bar)


def _rate(per_second: float) -> str:
    if 0 < per_second < 1:
        return f"{per_second * 60:,.1f}/min"
    return f"{per_second:,.1f}/s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
