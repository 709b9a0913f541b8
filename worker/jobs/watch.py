"""The progress of jobs, on a terminal."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from common.process.terminal.console import SafeConsole
from common.store.tables import JobState
from worker.jobs import FailingHost, JobRow, ModelDrift, Status, failing_hosts, status

SECONDS_BETWEEN_LOOKS = 1.0
LOOKS_BETWEEN_LINES = 10  # if the output is no terminal
NARROWEST = 132  # columns, if the output is no terminal

_Show = Callable[[Status, Sequence[FailingHost]], None]


def watch_job(engine: Engine, job_id: UUID) -> Status:
    """Show the progress of a job until it is done or cancelled; returns the last status.

    It writes to standard error: on a terminal the same as `show_status`, refreshed in place; else a
    line every ten seconds.
    """
    current = status(engine, job_id)
    with _screen(SafeConsole(stderr=True, highlight=False)) as show:
        while not JobState(current.state).is_over:
            show(current, failing_hosts(engine, job_id))
            time.sleep(SECONDS_BETWEEN_LOOKS)
            current = status(engine, job_id)
    return current


@contextmanager
def _screen(console: SafeConsole) -> Iterator[_Show]:
    if not console.is_terminal:
        yield _line_printer(console)
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda current, hosts: live.update(_view(current, hosts), refresh=True)


def _line_printer(console: SafeConsole) -> _Show:
    looks = 0

    def show(current: Status, _: Sequence[FailingHost]) -> None:
        nonlocal looks
        if looks % LOOKS_BETWEEN_LINES == 0:
            console.print(_line(current), markup=False, soft_wrap=True)
        looks += 1

    return show


def _line(current: Status) -> str:
    parts = [f"{current.state}: {current.settled:,} of {current.total:,} records", *_pace(current)]
    parts += [f"{current.read:,} read"] * bool(current.read)
    parts += [f"{current.unlike:,} unlike"] * bool(current.unlike)
    parts += [f"{current.blocked:,} blocked"] * bool(current.blocked)
    parts += [f"{records:,} {reason}" for reason, records in current.failures.items()]
    parts += [f"{current.put_off:,} to be tried again"] * bool(current.put_off)
    return ", ".join(parts)


def show_status(
    current: Status, hosts: Sequence[FailingHost], drifts: Sequence[ModelDrift]
) -> None:
    """Print a status as a table, below it model, rate and hosts, and what the models said."""
    console = SafeConsole(highlight=False)
    console.print(_heading(current), soft_wrap=True)
    console.print(_table(current))
    for line in _remarks(current, hosts):
        console.print(line, style="dim", markup=False, soft_wrap=True)
    for drift in drifts:
        console.print(f"\n{drift.title}", soft_wrap=True)
        console.print(drift.table())


def _view(current: Status, hosts: Sequence[FailingHost]) -> Group:
    remarks = (Text(line, style="dim") for line in _remarks(current, hosts))
    bar = ProgressBar(total=current.total, completed=current.settled, width=40)
    return Group(_heading(current), Padding(bar, expand=False), _table(current), *remarks)


def _heading(current: Status) -> Text:
    return Text(f"Job {current.job_id}: {current.state}")


def _table(current: Status) -> Table:
    table = Table()
    table.add_column("outcome")
    table.add_column("records", justify="right")
    table.add_row("enriched", f"{current.enriched:,}")
    table.add_row("unlike all that was learned", f"{current.unlike:,}")
    table.add_row("no concept above its threshold", f"{current.below_threshold:,}")
    table.add_row("blocked by a decision", f"{current.blocked:,}")
    table.add_row("failed", f"{current.failed:,}")
    for reason, records in current.failures.items():
        table.add_row(f"  {reason}", f"{records:,}", style="dim")
    table.add_row("waiting", f"{current.waiting:,}")
    if current.put_off:
        table.add_row("  to be tried again", f"{current.put_off:,}", style="dim")
    table.add_section()
    table.add_row("total", f"{current.total:,}")
    return table


def _remarks(current: Status, hosts: Sequence[FailingHost]) -> Iterator[str]:
    yield f"model {current.model}, priority {current.priority}"
    if current.classified:
        yield f"pictures: {current.read:,} read, {current.looked_at:,} looked at"
    if pace := _pace(current):
        yield ", ".join(pace)
    for host in hosts:
        slowed = f", asked at {host.pace:.0%} of the pace" if host.pace < 1 else ""
        yield f"{host.host}: {host.failed:,} failed, {host.put_off:,} to be tried again{slowed}"


def _pace(current: Status) -> list[str]:
    if current.rate is None or current.seconds_left is None:
        return []
    return [f"{current.rate:,.1f} records/s", f"{_age(current.seconds_left)} left"]


def show_jobs(rows: Sequence[JobRow]) -> None:
    """Print jobs as a table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("job", "state", "priority", "model"):
        table.add_column(heading, no_wrap=True)
    for heading in ("settled", "total", "records/s", "age"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("submitter")
    for row in rows:
        rate = f"{row.rate:,.1f}" if row.rate else ""
        cells = [str(row.job_id), row.state, row.priority, row.model]
        cells += [f"{row.settled:,}", f"{row.total:,}", rate, _age(row.age.total_seconds())]
        table.add_row(*cells, row.submitter or "")
    console = SafeConsole(highlight=False, markup=False)
    console.width = max(console.width, NARROWEST)
    console.print(table)


def _age(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
