"""The progress of jobs, on a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text
from sqlalchemy import Engine

from common.process.database_trouble import AWAY, trouble
from common.process.terminal.console import SafeConsole
from common.process.terminal.counting import counted
from common.process.terminal.listing import Listing
from common.store.tables import JobState
from worker.jobs.progress import Status
from worker.jobs.report import JobReport, hindrances, report_job

SECONDS_BETWEEN_LOOKS = 1.0
LOOKS_BETWEEN_LINES = 10  # if the output is no terminal


class _Screen:
    """Where progress is shown: on a terminal it is refreshed in place, else there is a line now and
    then."""

    def __init__(self, console: SafeConsole, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._last: JobReport | None = None
        self._looks = 0
        self._trouble: str | None = None

    def show(self, report: JobReport) -> None:
        self._last, self._trouble = report, None
        if self._live:
            self._live.update(_view(report), refresh=True)
        elif self._looks % LOOKS_BETWEEN_LINES == 0:
            told = hindrances(report, report.workers)
            self._print(_line(report), *(f"  {line}" for line in told))
        self._looks += 1

    def tell(self, trouble: str) -> None:
        """Say what is in the way; the progress that was shown stays."""
        said = (
            f"{trouble[0].upper()}{trouble[1:]}. The command waits until the database answers. "
            "To end it, press Ctrl-C."
        )
        if self._live:
            shown = [_view(self._last)] if self._last else []
            self._live.update(Group(*shown, Text(said)), refresh=True)
        elif trouble != self._trouble:
            self._print(said)
        self._trouble = trouble

    def _print(self, *lines: str) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True)


def watch_job(engine: Engine, job_id: UUID) -> JobReport:
    """Show the progress of a job until it is done or cancelled; returns the last report.

    It writes to standard error. While the database is away, it says so and waits.
    """
    report = report_job(engine, job_id)
    with _screen(SafeConsole(stderr=True, highlight=False)) as screen:
        while not JobState(report.state).is_over:
            screen.show(report)
            time.sleep(SECONDS_BETWEEN_LOOKS)
            report = _report_patiently(engine, job_id, screen)
    return report


def _report_patiently(engine: Engine, job_id: UUID, screen: _Screen) -> JobReport:
    while True:
        try:
            return report_job(engine, job_id)
        except AWAY as error:
            screen.tell(trouble(error))
        time.sleep(SECONDS_BETWEEN_LOOKS)


@contextmanager
def _screen(console: SafeConsole) -> Iterator[_Screen]:
    if not console.is_terminal:
        yield _Screen(console, None)
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield _Screen(console, live)


def _line(current: Status) -> str:
    records = counted(current.total, "record")
    parts = [f"{current.state}: {current.settled:,} of {records}", *_pace(current)]
    parts += [f"{current.read:,} read"] * bool(current.read)
    parts += [f"{current.unlike:,} unlike"] * bool(current.unlike)
    parts += [f"{current.blocked:,} blocked"] * bool(current.blocked)
    parts += [f"{records:,} {reason}" for reason, records in current.failures.items()]
    parts += [f"{current.put_off:,} to be tried again"] * bool(current.put_off)
    return ", ".join(parts)


def show_report(report: JobReport) -> None:
    console = SafeConsole(highlight=False)
    console.print(_heading(report), soft_wrap=True)
    console.print(_outcomes(report))
    for line in _remarks(report):
        console.print(line, style="dim", soft_wrap=True)
    for line in hindrances(report, report.workers):
        console.print(line, soft_wrap=True)
    for drift in report.drift:
        console.print(f"\n{drift.title}", soft_wrap=True)
        console.print(drift.table())


def _view(report: JobReport) -> Group:
    remarks = (Text(line, style="dim") for line in _remarks(report))
    problems = (Text(line) for line in hindrances(report, report.workers))
    bar = ProgressBar(total=report.total, completed=report.settled, width=40)
    return Group(
        _heading(report), Padding(bar, expand=False), _outcomes(report), *remarks, *problems
    )


def _heading(current: Status) -> Text:
    name = f" ({current.name})" if current.name else ""
    return Text(f"Job {current.job_id}{name}: {current.state}")


def _outcomes(current: Status) -> Listing:
    outcomes = Listing("records", "outcome", numbers=("records",))
    outcomes.add(f"{current.enriched:,}", "enriched")
    outcomes.add(f"{current.unlike:,}", "too different from the training pictures")
    outcomes.add(f"{current.below_threshold:,}", "no concept above its threshold")
    outcomes.add(f"{current.blocked:,}", "blocked by a decision")
    outcomes.add(f"{current.failed:,}", "failed")
    for reason, records in current.failures.items():
        outcomes.add(f"{records:,}", f"  {reason}", style="dim")
    is_cancelled = current.state == JobState.CANCELLED
    outcomes.add(f"{current.waiting:,}", "given up" if is_cancelled else "waiting")
    if current.in_work:
        outcomes.add(f"{current.in_work:,}", "  in work", style="dim")
    if current.put_off:
        outcomes.add(f"{current.put_off:,}", "  to be tried again", style="dim")
    outcomes.add(f"{current.total:,}", "total", style="bold")
    return outcomes


def _remarks(report: JobReport) -> Iterator[str]:
    yield f"model {report.model}, priority {report.priority}"
    if report.classified:
        yield f"pictures: {report.read:,} read, {report.looked_at:,} looked at"
    if pace := _pace(report):
        yield ", ".join(pace)
    if report.next_try_at:
        yield f"next try: {report.next_try_at:%Y-%m-%d %H:%M:%S %Z}"
    for host in report.failing_hosts:
        slowed = f", request speed: {host.pace:.0%} of normal" if host.pace < 1 else ""
        yield f"{host.host}: {host.failed:,} failed, {host.put_off:,} to be tried again{slowed}"


def _pace(current: Status) -> list[str]:
    if current.rate is None or current.seconds_left is None:
        return []
    return [f"{current.rate:,.1f} records/s", f"{in_hours(current.seconds_left)} left"]


def in_hours(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
