"""`worker health`."""

from typing import Annotated

import typer

from common.process.settings.worker import HealthSettings
from common.store.session import open_store
from worker.process.health import check_alive


def health(
    *,
    ready: Annotated[
        bool,
        typer.Option(
            help="Also check that a model is loaded, the database answers and dispatchers choose."
        ),
    ] = False,
) -> None:
    """Check that the worker on this machine is alive, for probes: exit code 0 if it is, else 1.

    Reads the file that WORKER_HEARTBEAT_FILE names.
    """
    check_alive(HealthSettings.read().worker_heartbeat_file, ready=ready)
    if ready:
        open_store().dispose()
