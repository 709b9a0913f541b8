"""`trainer promote`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import UsageError
from common.process.console import SafeConsole
from trainer.commands.options import Precision, SavingDir

if TYPE_CHECKING:
    from trainer.models.promote import Promotion


def promote(
    experiment: Annotated[str, typer.Argument(help="Name of a finished experiment.")],
    saving_dir: SavingDir = Path("experiments"),
    fold: Annotated[
        int | None,
        typer.Option(help="Which fold. Default: the one with the lowest validation loss."),
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="All folds together: more accurate, and slower.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the model. Default: that of the experiment.")
    ] = None,
    precision: Precision = 0.9,
) -> None:
    """Make a finished experiment the model that workers use."""
    if ensemble and fold is not None:
        raise UsageError("Give either --fold or --ensemble.")

    from common.process.settings import ModelSettings
    from common.store.session import open_store
    from trainer.experiment import Experiment
    from trainer.models.promote import promote as promote_experiment

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


def print_promotion(promotion: "Promotion", *, by: str) -> None:
    """Print the effect of the thresholds; `by` says on which predictions they were chosen."""
    from trainer.scoring.thresholds import effect_table

    console = SafeConsole()
    console.print(effect_table(promotion.effects, title=f"Thresholds, by {by}"))
    off = [label for label, each in promotion.effects.items() if each.threshold is None]
    if off:
        promised = promotion.description.created_from["precision"]
        print_end(
            f"Switched off, since a precision of {promised:g} is not proved: {', '.join(off)}"
        )
    if not promotion.self_test:
        print_end("No training picture can be read any more: the model has no self-test.")


def print_end(line: str) -> None:
    """Print a line without wrapping it."""
    SafeConsole().print(line, highlight=False, soft_wrap=True)
