"""`worker health`."""

from typing import Annotated

import typer

from common.store.session import open_store
from worker.process.health import check_alive
from worker.process.settings import HealthSettings


def health(
    *,
    ready: Annotated[
        bool, typer.Option(help="Also: is a model loaded, and can the database be reached?")
    ] = False,
) -> None:
    """Say by the exit code whether the worker beside this command is alive; for probes.

    Reads the file that WORKER_HEARTBEAT_FILE names: 0 alive, 1 not.
    """
    check_alive(HealthSettings.read().worker_heartbeat_file, model_loaded=ready)
    if ready:
        open_store().dispose()
