"""How far jobs have come, for people."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from common.progress import progress
from worker.jobs import FailingHost, JobRow, Status, status

SECONDS_BETWEEN_LOOKS = 1.0
NARROWEST = 132  # columns, where the output is no terminal
_OVER = ("done", "cancelled")


def watch_job(engine: Engine, job_id: UUID) -> Status:
    """Report progress until the job is done or cancelled; returns the last status."""
    current = status(engine, job_id)
    with progress("settled", current.total) as report:
        settled = 0
        while True:
            report.advance(current.settled - settled, note=_note(current))
            settled = current.settled
            if current.state in _OVER:
                return current
            time.sleep(SECONDS_BETWEEN_LOOKS)
            current = status(engine, job_id)


def _note(current: Status) -> str:
    parts = [current.state] * (current.state == "paused")
    parts += [f"{current.failed:,} failed"]
    parts += [f"{current.put_off:,} put off"] * bool(current.put_off)
    return ", ".join(parts)


def show_status(current: Status, hosts: Sequence[FailingHost]) -> None:
    """Print a status as a table, and below it what is worth knowing besides."""
    table = Table(title=f"Job {current.job_id}: {current.state}", title_justify="left")
    table.add_column("outcome")
    table.add_column("records", justify="right")
    table.add_row("enriched", f"{current.enriched:,}")
    table.add_row("no concept above its threshold", f"{current.below_threshold:,}")
    table.add_row("failed", f"{current.failed:,}")
    for reason, records in current.failures.items():
        table.add_row(f"  {reason}", f"{records:,}", style="dim")
    table.add_row("waiting", f"{current.waiting:,}")
    if current.put_off:
        table.add_row("  to be tried again", f"{current.put_off:,}", style="dim")
    table.add_section()
    table.add_row("total", f"{current.total:,}")
    console = Console(highlight=False)
    console.print(table)
    for line in _remarks(current, hosts):
        console.print(line, style="dim", markup=False, soft_wrap=True)


def _remarks(current: Status, hosts: Sequence[FailingHost]) -> Iterator[str]:
    yield f"model {current.model}, priority {current.priority}"
    if current.rate and current.seconds_left is not None:
        yield f"{current.rate:,.1f} records/s, {_age(current.seconds_left)} left"
    for host in hosts:
        yield f"{host.host}: {host.failed:,} failed, {host.put_off:,} to be tried again"


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
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, NARROWEST)
    console.print(table)


def _age(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
