"""`worker run`."""

import typer


def run() -> None:
    """Work on jobs until SIGTERM or Ctrl-C, which finish chunks or give them back.

    Needs DATABASE_URL, BROKER_URL, EUROPEANA_API_KEY and MODEL_DIR.
    """
    from worker.process.run import run_worker  # the other commands need no torch

    raise typer.Exit(run_worker())
