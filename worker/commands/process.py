"""`worker run` and `worker health`: the process that works on jobs."""

from typing import Annotated

import typer

from common.process.settings.worker import HealthSettings
from common.process.terminal.command import loading


def run() -> None:
    """Work on jobs until SIGTERM or Ctrl-C, which finish chunks or give them back.

    Needs DATABASE_URL, EUROPEANA_API_KEY and MODEL_DIR, and with BROKER_URL takes lists of other
    systems. A database or a broker that is away is waited for. The log says what is missing.

    Example: worker run
    """
    with loading():
        from worker.process.run import run_worker  # the other commands need no torch

    raise typer.Exit(run_worker())


def health(
    *,
    ready: Annotated[
        bool,
        typer.Option(
            "--ready",
            help="Also check that the worker can work: database, broker, API key and models.",
        ),
    ] = False,
) -> None:
    """Check that the worker on this machine is alive: exit code 0 if it is, else 1. For probes.

    Reads the file that WORKER_HEARTBEAT_FILE names.

    Example: worker health --ready
    """
    from common.store.session import open_store
    from worker.process.health import check_alive

    check_alive(HealthSettings.read().worker_heartbeat_file, ready=ready)
    if ready:
        open_store().dispose()
