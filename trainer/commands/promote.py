"""`trainer promote`: arguments only."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from common.errors import UsageError
from common.settings import ModelSettings
from common.store.session import open_store
from trainer.commands.options import SavingDir
from trainer.experiment import Experiment
from trainer.promotion import promote as promote_experiment
from trainer.promotion import threshold_table


def promote(
    experiment: Annotated[str, typer.Argument(help="Name of a finished experiment.")],
    saving_dir: SavingDir = Path("experiments"),
    fold: Annotated[
        int | None, typer.Option(help="Which fold; by default that of the best validation loss.")
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="All folds together: better, and slower.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the model; by default that of the experiment.")
    ] = None,
    precision: Annotated[
        float,
        typer.Option(help="What each concept's precision is to be, with 95 % confidence."),
    ] = 0.9,
) -> None:
    """Make a finished experiment the model that workers use."""
    if ensemble and fold is not None:
        raise UsageError("Give either --fold or --ensemble.")
    promotion = promote_experiment(
        Experiment(saving_dir, experiment),
        fold=fold,
        ensemble=ensemble,
        name=name or experiment,
        precision=precision,
        model_dir=ModelSettings.read().model_dir,
        engine=open_store(),
    )
    console = Console()
    console.print(threshold_table(promotion))
    model = promotion.model
    how = "Promoted" if model.is_new else "Promoted before, active now"
    console.print(
        f"{how}: {model.name} version {model.version}, in {promotion.folder}",
        markup=False,
        soft_wrap=True,
    )
