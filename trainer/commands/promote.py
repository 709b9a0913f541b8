"""`trainer promote`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import ModelError, UsageError
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.vision.answers.promise import Promise
from trainer.commands.options import (
    DataDir,
    Floor,
    Labelled,
    Precision,
    SavingDir,
    experiments_in,
    labelled_pictures,
)
from trainer.commands.printing import (
    NO_PROMISE,
    effect_listing,
    hint,
    print_line,
    print_listing,
    print_taken_out,
    warn,
)
from trainer.scoring.thresholds import Effect, Outlook

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from trainer.data.dataset import TrainingData
    from trainer.experiment import Experiment
    from trainer.models.proposal import Proposal
    from trainer.models.store import Promoted


MODEL, MEASURE = "Which model", "The promise"
FoldNumber = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="NUMBER",
        help="Number of the fold. Default: the fold with the lowest validation loss.",
        rich_help_panel=MODEL,
    ),
]
Ensemble = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        help="Use all folds together. This is more accurate, but slower. To test an ensemble of "
        "networks, give pictures that no fold saw: --dataset or --data-dir.",
        rich_help_panel=MODEL,
    ),
]
ModelTitle = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Name of the model. Default: the name of the experiment.",
        rich_help_panel=MODEL,
    ),
]
NoAbstention = Annotated[
    bool,
    typer.Option(
        "--no-abstention",
        help="Also write concepts for pictures that are too different from the training pictures.",
        rich_help_panel=MEASURE,
    ),
]
Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway",
        help="Promote the model even if it would write no concept.",
        rich_help_panel=MEASURE,
    ),
]
Activate = Annotated[
    bool, typer.Option("--activate", help="Also put the model in service for all records.")
]


@dataclass(frozen=True, kw_only=True)
class FinishedPromotion:
    """What `trainer promote --json` prints.

    `is_new` is false if the same model was promoted before. `serves_all` is true if it is now in
    service for all records. `taken_out` names data providers that the model for all serves again.
    `thresholds` has by category what would be written for the pictures that measured the model.
    `off` has the possible promises for concepts that are off.
    """

    model: str
    name: str
    version: int
    folder: Path
    is_new: bool
    taken_out: tuple[str, ...]
    serves_all: bool
    thresholds: dict[str, Effect]
    off: dict[str, Outlook]
    promise: Promise


@prints(FinishedPromotion)
def promote(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="Name of a finished experiment.")
    ],
    saving_dir: SavingDir = None,
    fold: FoldNumber = None,
    ensemble: Ensemble = False,
    name: ModelTitle = None,
    precision: Precision = 0.9,
    floor: Floor = None,
    no_abstention: NoAbstention = False,
    dataset: Labelled = None,
    data_dir: DataDir = None,
    anyway: Anyway = False,
    activate: Activate = False,
    as_json: AsJson = False,
) -> None:
    """Make a model of a finished experiment. It serves no records until you put it in service.

    Examples: trainer promote model_training --activate · trainer promote heads --ensemble
    """
    if ensemble and fold is not None:
        raise UsageError("Give either --fold or --ensemble.")

    from common.process.settings import ModelSettings
    from common.store.session import open_store
    from trainer.experiment import Experiment
    from trainer.models import promote as making
    from trainer.models.proposal import Terms
    from trainer.settings import checked_name

    title = checked_name(experiment if name is None else name, of="a model")
    chosen = Experiment(experiments_in(saving_dir), experiment)
    model_dir, engine = ModelSettings.read().model_dir, open_store()
    proposal = making.propose(
        chosen,
        Terms(precision=precision, floor=floor, abstains=not no_abstention),
        fold=fold,
        ensemble=ensemble,
        judged_on=_judged_on(chosen, dataset, data_dir),
        model_dir=model_dir,
    )
    if not as_json:
        print_proposal(proposal)
    _check_says_something(proposal, experiment, anyway=anyway)
    done = making.promote(proposal, name=title, model_dir=model_dir, engine=engine, active=activate)
    _print_end(engine, proposal, done, model_dir / done.path, as_json=as_json)


def _check_says_something(proposal: "Proposal", experiment: str, *, anyway: bool) -> None:
    if proposal.is_silent and not anyway:
        raise ModelError(
            f"{experiment} is not promoted, because every concept would be off. The model "
            "would write no concept. Give a lower --precision, label more pictures, or give "
            "--anyway."
        )


def warn_of_low_thresholds(proposal: "Proposal") -> None:
    if low := proposal.written_when_unlikely():
        warn(
            f"Some concepts are written from a probability below 0.5: {', '.join(low)}. To "
            "prevent this, give --floor 0.5."
        )


def _print_end(
    engine: "Engine", proposal: "Proposal", model: "Promoted", folder: Path, *, as_json: bool
) -> None:
    from common.store.in_service import served_before, serving

    with engine.connect() as connection:
        found, before = serving(connection, None), served_before(connection, None)
    serves = found.title if found else None
    if as_json:
        warn_of_low_thresholds(proposal)
        finished = FinishedPromotion(
            model=model.title,
            name=model.name,
            version=model.version,
            folder=folder,
            is_new=model.is_new,
            taken_out=model.taken_out,
            serves_all=serves == model.title,
            thresholds=proposal.effects,
            off=proposal.outlooks,
            promise=proposal.promise,
        )
        print_json(finished, FinishedPromotion)
    else:
        how = "Promoted" if model.is_new else "Promoted before"
        print_line(f"{how}: {model.title}, in {folder}")
        print_taken_out(model.taken_out)
    if serves == model.title:
        undo = " To return to the previous model: trainer models back" if before else ""
        hint(f"It serves all records.{undo}")
        next_step("worker enqueue FILE")
        return
    whom = f"{serves} serves all records as before." if serves else "No model serves all records."
    hint(f"The model is not in service yet. {whom}")
    next_step(f"trainer models activate {model.name}@{model.version}")


def _judged_on(
    experiment: "Experiment", dataset: str | None, data_dir: Path | None
) -> "TrainingData | None":
    if dataset is None and data_dir is None:
        return None
    known = experiment.dataset()
    vocabulary = dict(zip(known.categories, known.concept_uris, strict=True))
    return labelled_pictures(dataset, data_dir, vocabulary=vocabulary, kind=known.kind)


def print_proposal(proposal: "Proposal") -> None:
    title = "Thresholds, measured on pictures that the model had not seen"
    print_listing(title, effect_listing(proposal.effects))
    if proposal.outlooks:
        precision = proposal.promise.precision
        title = f"Switched off: a precision of {precision:g} is not proved"
        print_listing(title, _outlooks(proposal, precision))
    print_line(f"Rule: {proposal.description.rule}.")
    print_line(proposal.abstention_in_words())
    promised = proposal.promise.in_words()
    for line in [NO_PROMISE] if proposal.is_silent else promised:
        print_line(line)
    warn_of_low_thresholds(proposal)
    if not len(proposal.self_test):
        print_line("No training picture can be read now. So the model has no self-test.")


def _outlooks(proposal: "Proposal", precision: float) -> Listing:
    headings = ("proved precision", f"more pictures for {precision:g}")
    listing = Listing("category", *headings, numbers=headings, texts=["category"])
    for label, each in proposal.outlooks.items():
        proved = f"{each.best_precision:.2f}" if each.best_precision else "none"
        more = "more pictures are not enough"
        if each.more_pictures is not None:
            more = f"about {each.more_pictures:,}"
        listing.add(label, proved, more)
    return listing
