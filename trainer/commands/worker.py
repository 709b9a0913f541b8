"""`trainer worker`."""

from typing import Annotated

import typer

from trainer.commands.options import SavingDir, experiments_in


def worker(
    saving_dir: SavingDir = None,
    devices: Annotated[
        str | None,
        typer.Option(
            help="Devices to use: cuda:0,cuda:1 or cpu. Each device trains one fold at a time. "
            "Default: the setting TRAINER_DEVICE."
        ),
    ] = None,
) -> None:
    """Train the folds that `trainer train --queue` puts into the queue, until you stop the command.
    After SIGTERM or Ctrl-C, other fold workers continue the folds.

    You need BROKER_URL. The folder of the experiments must be on a disk that this machine shares
    with `trainer train`. For datasets of the store, you also need DATABASE_URL and IMAGE_DIR. For
    other data, you need the folder of the pictures.

    Example: trainer worker --devices cuda:0,cuda:1
    """
    from common.process.settings import TrainerSettings
    from trainer.running.fold_worker import run_worker
    from trainer.running.on_devices import parse_devices

    named = TrainerSettings.read().trainer_device if devices is None else devices
    chosen = parse_devices(named)
    raise typer.Exit(run_worker(experiments_in(saving_dir), chosen))
