"""`trainer promote`: arguments only."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from common.errors import UsageError
from common.process.settings import ModelSettings
from common.store.session import open_store
from trainer.commands.options import Precision, SavingDir
from trainer.experiment import Experiment
from trainer.models.promote import Promotion
from trainer.models.promote import promote as promote_experiment
from trainer.scoring.thresholds import effect_table


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
    precision: Precision = 0.9,
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
    print_promotion(promotion, by="out-of-fold predictions")
    how = "Promoted" if promotion.model.is_new else "Promoted before, active now"
    print_end(f"{how}: {promotion.model.title}, in {promotion.folder}")


def print_promotion(promotion: Promotion, *, by: str) -> None:
    """What the thresholds do, and what they were chosen at."""
    console = Console()
    console.print(effect_table(promotion.effects, title=f"Thresholds, by {by}"))
    off = [label for label, each in promotion.effects.items() if each.threshold is None]
    if off:
        promised = promotion.description.created_from["precision"]
        print_end(
            f"Switched off, since a precision of {promised:g} is not proved: {', '.join(off)}"
        )
    if not promotion.self_test:
        print_end("No picture of the training can be read any more: the model has no self-test.")


def print_end(line: str) -> None:
    """A line that is not wrapped."""
    Console().print(line, markup=False, highlight=False, soft_wrap=True)
