"""How far a job has come, for people."""

import time
from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from common.progress import progress
from worker.jobs import Status, status

SECONDS_BETWEEN_LOOKS = 1.0
_OVER = ("done", "cancelled")


def watch_job(engine: Engine, job_id: UUID) -> Status:
    """Report progress until the job is done or cancelled; returns the last status."""
    current = status(engine, job_id)
    with progress("enriched", current.total) as report:
        settled = 0
        while True:
            report.advance(current.settled - settled, note=f"{current.failed:,} failed")
            settled = current.settled
            if current.state in _OVER:
                return current
            time.sleep(SECONDS_BETWEEN_LOOKS)
            current = status(engine, job_id)


def show_status(current: Status) -> None:
    """Print a status as a table."""
    table = Table(title=f"Job {current.job_id}: {current.state}", title_justify="left")
    table.add_column("outcome")
    table.add_column("records", justify="right")
    table.add_row("enriched", f"{current.enriched:,}")
    table.add_row("no concept above its threshold", f"{current.below_threshold:,}")
    table.add_row("failed", f"{current.failed:,}")
    for reason, records in current.failures.items():
        table.add_row(f"  {reason}", f"{records:,}", style="dim")
    table.add_row("waiting", f"{current.waiting:,}", end_section=True)
    table.add_row("total", f"{current.total:,}")
    console = Console()
    console.print(table)
    console.print(f"model {current.model}, priority {current.priority}", style="dim")
