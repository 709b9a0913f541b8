"""`trainer models`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from common.errors import ModelError
from common.process.settings import ModelSettings
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from trainer.commands.options import (
    DataDir,
    Floor,
    Labelled,
    Precision,
    StoredReference,
    labelled_pictures,
)
from trainer.commands.printing import print_line
from trainer.commands.promote import print_proposal, print_taken_out

if TYPE_CHECKING:  # it loads torch
    from common.vision.bundle import Description

models = command_group("Look at the models, put one in service, or take it out.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@models.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all models, and whom they serve: the active one all, others their data providers."""
    from common.store.session import open_store
    from trainer.models import registry

    listed = registry.list_models(open_store(), ModelSettings.read().model_dir)
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in listed]))
        return
    table = Table(box=box.SIMPLE)
    for column in (
        "name",
        "version",
        "stage",
        "serves",
        "architecture",
        "on/off",
        "trained on",
        "promoted",
    ):
        table.add_column(column, overflow="fold")
    for each in listed:
        model = each.stored
        on = len(model.thresholds)
        table.add_row(
            *(model.name, str(model.version), model.stage, each.architecture),
            *(f"{on}/{len(model.labels) - on}", each.trained_on, each.promoted, model.served),
            style="bold" if model.served else "",
        )
    SafeConsole().print(table)


@models.command()
def show(model: StoredReference, as_json: AsJson = False) -> None:
    """Show what a model is: what it promises for whom, concepts with thresholds, files, origin.

    Below, what it has said in jobs since of each data provider's pictures, and at promotion.

    Example: trainer models show pilot@2
    """
    from common.store.session import open_store
    from common.vision.answers.drift import drift_of_model
    from trainer.models import registry

    engine = open_store()
    found = registry.find_model(engine, model)
    each = registry.describe(found, ModelSettings.read().model_dir)
    drift = drift_of_model(engine, found.id)
    if as_json:
        typer.echo(json.dumps(each.to_json() | {"drift": drift.as_json() if drift else None}))
        return
    print_line(f"{found.title}, {found.stage}, promoted {each.promoted}, sha256 {found.sha256}")
    print_line(f"In service for: {found.served or 'nobody'}")
    if each.description is None:
        raise ModelError(each.problem)
    for line in (*_promised(each.description), *each.origin()):
        print_line(line)
    table = Table("category", "written from", "concept", box=box.SIMPLE)
    for label, uri in zip(each.description.labels, each.description.concept_uris, strict=True):
        threshold = each.description.thresholds[uri]
        table.add_row(label, "off" if threshold is None else f"{threshold:.3f}", uri)
    SafeConsole().print(table)
    if drift is None:
        print_line("It has said nothing in jobs yet.")
    else:
        print_line(drift.title)
        SafeConsole().print(drift.table())


def _promised(description: "Description") -> list[str]:
    """The promise, the rule, and when the model abstains, in lines."""
    promise, least = description.promise, description.least_likeness
    abstains = "never, also not for pictures that are unlike all that it learned from"
    if least is not None:
        abstains = (
            f"from pictures that are unlike all that it learned from (likeness < {least:.3f})"
        )
    if least is not None and promise is not None:
        abstains += f"; so it did for {promise.said.unlike:,} of {promise.said.pictures:,}"
    before = ["Promised for: nobody knows; the model was made before promises said for whom."]
    return [
        *(before if promise is None else promise.in_words()),
        f"Rule: {description.rule}.",
        f"Abstains: {abstains}.",
    ]


Provider = Annotated[
    str | None, typer.Option(help="Name of the data provider. Default: for all records.")
]


@models.command()
def activate(model: StoredReference, provider: Provider = None) -> None:
    """Put a model in service after checking its files; running jobs keep their model.

    A data provider's own model goes before the one for all, and is on the same encoder.

    Examples: trainer models activate pilot@1;
    trainer models activate heads@2 --provider "The Cleveland Museum of Art"
    """
    from common.store.session import open_store
    from trainer.models import registry

    model_dir = ModelSettings.read().model_dir
    done = registry.activate(open_store(), model_dir, model, data_provider=provider)
    serves = "Active now" if provider is None else f"In service for {provider} now"
    print_line(f"{serves}: {done.title}")
    print_taken_out(done.taken_out)


@models.command()
def back(provider: Provider = None) -> None:
    """Put the model in service that served before; the same command again undoes it.

    Example: trainer models back --provider "The Cleveland Museum of Art"
    """
    from common.store.in_service import go_back
    from common.store.session import open_store

    with open_store().begin() as connection:
        now = go_back(connection, data_provider=provider)
    whom = provider or "all records"
    print_line(f"In service for {whom} now: {now.title if now else 'the model for all'}")


@models.command()
def retire(model: StoredReference) -> None:
    """Take a model out of service; its running jobs continue."""
    from common.store.session import open_store
    from trainer.models import registry

    found, another_active = registry.retire(open_store(), model)
    print_line(f"Retired: {found.title}")
    if not another_active:
        print_line(
            "No model is active now, so no job is accepted. Next: trainer models activate MODEL"
        )


ClassIndex = Annotated[
    Path | None,
    typer.Option(help="Output to label. Default: class_index.json beside the checkpoint."),
]


@models.command("import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="State dict: .pth or .safetensors.")],
    architecture: Annotated[str, typer.Option(help="One of torchvision, such as resnet18.")],
    input_size: Annotated[int, typer.Option(help="Side of the pictures in training, in pixels.")],
    name: Annotated[str, typer.Option(help="Name of the new model.")],
    class_index: ClassIndex = None,
    vocab_json: Annotated[Path, typer.Option(help="Labels and their concepts.")] = Path(
        "vocabulary.json"
    ),
    dataset: Labelled = None,
    data_dir: DataDir = None,
    precision: Precision = 0.9,
    floor: Floor = 0.5,
) -> None:
    """Make a model from a foreign checkpoint, such as the pilot's.

    Its promise is measured on labelled pictures (--dataset or --data-dir) that the checkpoint was
    not trained on. Without them every concept is off.

    Example: trainer models import checkpoint.pth --architecture resnet18 --input-size 64
    --name pilot --data-dir labelled
    """
    from common.europeana.vocabulary import load_vocabulary
    from common.store.session import open_store
    from common.vision.preprocessing import Preprocessing
    from trainer.models.importing import import_checkpoint, read_checkpoint
    from trainer.models.proposal import Terms

    index = class_index or checkpoint.with_name("class_index.json")
    how = Preprocessing(size=input_size)
    weights = read_checkpoint(checkpoint, index, architecture=architecture, preprocessing=how)
    vocabulary = load_vocabulary(vocab_json)
    data = None
    if dataset is not None or data_dir is not None:
        data = labelled_pictures(dataset, data_dir, vocabulary=vocabulary, kind="single")
    proposal, made = import_checkpoint(
        weights,
        vocabulary,
        data,
        name=name,
        terms=Terms(precision=precision, floor=floor),
        model_dir=ModelSettings.read().model_dir,
        engine=open_store(),
    )
    if data is None:
        print_line("Every concept is off: without labelled pictures nothing can be promised.")
    else:
        print_proposal(proposal)
    print_line(f"Imported: {made.model.title}, in {made.folder}")
    print_line(f"Next: trainer models activate {made.model.name}@{made.model.version}")
