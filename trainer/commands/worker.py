"""`trainer worker`."""

from typing import Annotated

import typer

from trainer.commands.options import SavingDir, experiments_in


def worker(
    saving_dir: SavingDir = None,
    devices: Annotated[
        str | None,
        typer.Option(
            help="Train one fold at a time on each device: cuda:0,cuda:1 or cpu. Default: "
            "TRAINER_DEVICE."
        ),
    ] = None,
) -> None:
    """Train folds of `trainer train --queue` until stopped. After SIGTERM or Ctrl-C other workers
    continue them.

    Needs BROKER_URL, and the folder of the experiments on a disk shared with `trainer train`.
    Datasets of the store also need DATABASE_URL and IMAGE_DIR; other data need the folder of the
    pictures.

    Example: trainer worker --devices cuda:0,cuda:1
    """
    from common.process.settings import TrainerSettings
    from trainer.running.fold_worker import run_worker
    from trainer.running.on_devices import parse_devices

    named = TrainerSettings.read().trainer_device if devices is None else devices
    chosen = parse_devices(named)
    raise typer.Exit(run_worker(experiments_in(saving_dir), chosen))
