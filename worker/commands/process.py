"""`worker run` and `worker health`: the process that works on jobs."""

from typing import Annotated

import typer

from common.process.settings.worker import HealthSettings
from common.process.terminal.command import loading


def run() -> None:
    """Work on jobs until SIGTERM or Ctrl-C. Then the worker finishes its records or gives them
    back.

    You need DATABASE_URL, EUROPEANA_API_KEY and MODEL_DIR. With BROKER_URL, the worker also takes
    lists of records from other systems. If the database or the broker does not answer, the worker
    waits. The log says what is missing.

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
    """Check that the worker on this machine is alive. If it is alive, the exit code is 0, otherwise
    1.

    Use this command for probes, for example in Kubernetes. It reads the file of the setting
    WORKER_HEARTBEAT_FILE.

    Example: worker health --ready
    """
    from common.store.session import open_store
    from worker.process.health import check_alive

    check_alive(HealthSettings.read().worker_heartbeat_file, ready=ready)
    if ready:
        open_store().dispose()
