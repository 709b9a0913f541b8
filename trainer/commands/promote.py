"""`trainer promote`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from common.errors import ModelError, UsageError
from common.process.terminal.console import SafeConsole
from trainer.commands.options import (
    DataDir,
    Floor,
    Labelled,
    Precision,
    SavingDir,
    labelled_pictures,
)

if TYPE_CHECKING:
    from trainer.data.dataset import TrainingData
    from trainer.experiment import Experiment
    from trainer.models.proposal import Proposal


FoldNumber = Annotated[
    int | None, typer.Option(help="Which fold. Default: the one with the lowest validation loss.")
]
Ensemble = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        help="All folds together: more accurate, and slower. An ensemble of networks is measured "
        "on pictures that none of them saw: --dataset or --data-dir.",
    ),
]
ModelTitle = Annotated[
    str | None, typer.Option(help="Name of the model. Default: that of the experiment.")
]
NoAbstention = Annotated[
    bool,
    typer.Option(
        "--no-abstention", help="Answer also to pictures unlike all that was learned from."
    ),
]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="Promote a model in which every concept is off.")
]


def promote(
    experiment: Annotated[str, typer.Argument(help="Name of a finished experiment.")],
    saving_dir: SavingDir = Path("experiments"),
    fold: FoldNumber = None,
    ensemble: Ensemble = False,
    name: ModelTitle = None,
    precision: Precision = 0.9,
    floor: Floor = 0.5,
    no_abstention: NoAbstention = False,
    dataset: Labelled = None,
    data_dir: DataDir = None,
    anyway: Anyway = False,
) -> None:
    """Make a finished experiment the model that workers use."""
    if ensemble and fold is not None:
        raise UsageError("Give either --fold or --ensemble.")

    from common.process.settings import ModelSettings
    from common.store.session import open_store
    from trainer.experiment import Experiment, checked_name
    from trainer.models.promote import promote as put_in_service
    from trainer.models.promote import propose
    from trainer.models.proposal import Terms

    title = checked_name(name or experiment, of="a model")
    chosen = Experiment(saving_dir, experiment)
    model_dir, engine = ModelSettings.read().model_dir, open_store()
    proposal = propose(
        chosen,
        Terms(precision=precision, floor=floor, abstains=not no_abstention),
        fold=fold,
        ensemble=ensemble,
        judged_on=_judged_on(chosen, dataset, data_dir),
        model_dir=model_dir,
    )
    print_proposal(proposal)
    if proposal.is_silent and not anyway:
        raise ModelError(
            f"Every concept would be off, so the model would write nothing: {experiment} is not "
            "promoted. Promise less (--precision), label more pictures, or give --anyway."
        )
    promoted = put_in_service(proposal, name=title, model_dir=model_dir, engine=engine)
    how = "Promoted" if promoted.model.is_new else "Promoted before, active now"
    print_end(f"{how}: {promoted.model.title}, in {promoted.folder}")
    print_taken_out(promoted.model.taken_out)


def _judged_on(
    experiment: "Experiment", dataset: str | None, data_dir: Path | None
) -> "TrainingData | None":
    if dataset is None and data_dir is None:
        return None
    known = experiment.dataset()
    vocabulary = dict(zip(known.categories, known.concept_uris, strict=True))
    return labelled_pictures(dataset, data_dir, vocabulary=vocabulary, kind=known.kind)


def print_taken_out(providers: Sequence[str]) -> None:
    """Print which data providers have lost their own models, if any have."""
    if providers:
        print_end(
            f"Served by the model for all again: {', '.join(providers)}. Their own models are on "
            "another encoder."
        )


def print_proposal(proposal: "Proposal") -> None:
    """Print what the thresholds do, for whom that is promised, and what is off and why."""
    from trainer.scoring.thresholds import effect_table

    console = SafeConsole()
    title = "Thresholds, by answers to pictures that the model had not seen"
    console.print(effect_table(proposal.effects, title=title))
    if proposal.outlooks:
        console.print(_outlook_table(proposal, proposal.promise.precision))
    print_end(f"Rule: {proposal.description.rule}.")
    print_end(proposal.abstention_in_words())
    for line in proposal.promise.in_words():
        print_end(line)
    if not len(proposal.pictures.self_test):
        print_end("No training picture can be read any more: the model has no self-test.")


def _outlook_table(proposal: "Proposal", precision: float) -> Table:
    title = f"Switched off, since a precision of {precision:g} is not proved"
    table = Table(title=title, box=box.SIMPLE)
    table.add_column("category")
    table.add_column("precision that is proved", justify="right")
    table.add_column(f"more pictures for {precision:g}", justify="right")
    for label, each in proposal.outlooks.items():
        proved = f"{each.best_precision:.2f}" if each.best_precision else "none"
        more = "more alone would not do"
        if each.more_pictures is not None:
            more = f"about {each.more_pictures:,}"
        table.add_row(label, proved, more)
    return table


def print_end(line: str) -> None:
    """Print a line without wrapping it."""
    SafeConsole().print(line, highlight=False, soft_wrap=True)
