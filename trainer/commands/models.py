"""`trainer models`."""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import ModelError
from common.process.settings import ModelSettings
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.vision.answers.drift import ModelDrift, drift_of_model
from trainer.commands.importing import export, import_
from trainer.commands.options import StoredReference
from trainer.commands.printing import (
    hint,
    print_line,
    print_listing,
    print_taken_out,
    warn,
)
from trainer.models.catalogue import ListedModel

if TYPE_CHECKING:
    from common.vision.bundle import Description

models = command_group(
    "List and show models, and put a model in service or take it out of service."
)
models.command("import")(import_)
models.command("export")(export)


@models.command("list")
@prints(list[ListedModel])
def list_(as_json: AsJson = False) -> None:
    """List all models. Show which models are in service, and for which data providers.

    Example: trainer models list
    """
    from common.store.session import open_store
    from trainer.models.catalogue import list_models

    listed = list_models(open_store(), ModelSettings.read().model_dir)
    if as_json:
        print_json(listed, list[ListedModel])
        return
    if not listed:
        print_line("There are no models yet.")
        next_step("trainer promote EXPERIMENT")
        return
    _listing(listed).print()
    for each in listed:
        if each.problem:
            warn(f"{each.title}: {each.problem}")


def _listing(listed: list[ListedModel]) -> Listing:
    texts = ("serves", "architecture", "trained on", "vocabulary")
    listing = Listing(
        *("name", "version", "standing", "serves", "files", "architecture", "concepts on"),
        *("trained on", "vocabulary", "promoted"),
        numbers=["version"],
        texts=texts,
    )
    for each in listed:
        listing.add(
            *(each.name, str(each.version), each.standing, each.served, each.files),
            each.architecture,
            f"{len(each.thresholds)} of {len(each.labels)}",
            *(each.trained_on, each.vocabulary or "unknown", each.promoted),
            style="yellow" if each.problem else "bold" if each.served else "",
        )
    return listing


@dataclass(frozen=True, kw_only=True)
class ModelDetails(ListedModel):
    """A model with its predictions in jobs and at promotion, and its certificates from closed
    audits.
    """

    drift: ModelDrift | None
    certificates: tuple[str, ...]


@models.command()
@prints(ModelDetails)
def show(model: StoredReference, as_json: AsJson = False) -> None:
    """Show a model: its promise, concepts with thresholds, files and origin.

    For each data provider, also compare the predictions in jobs with the predictions at promotion.

    Example: trainer models show pilot@2
    """
    from common.store.session import open_store
    from common.store.teaching.certificates import standing_certificates
    from trainer.models.catalogue import check_files, describe, find_model

    engine, model_dir = open_store(), ModelSettings.read().model_dir
    each = describe(find_model(engine, model), model_dir)
    problem = check_files(each, model_dir)
    drift = drift_of_model(engine, each.id)
    with engine.connect() as connection:
        certificates = tuple(map(str, standing_certificates(connection, [each.id])))
    if as_json:
        members = vars(each) | {"problem": problem}
        details = ModelDetails(**members, drift=drift, certificates=certificates)
        print_json(details, ModelDetails)
        return
    print_line(f"{each.title}, {each.standing}, promoted {each.promoted}, sha256 {each.sha256}")
    print_line(f"In service for: {each.served or 'no records'}")
    print_line(f"Vocabulary: {each.vocabulary or 'unknown'}")
    if each.description is None:
        raise ModelError(problem)
    if problem:
        warn(problem)
    for line in (*_promised(each.description), *certificates, *each.origin()):
        print_line(line)
    print_listing("Concepts", _concepts(each.description))
    if drift is None:
        print_line("The model has made no predictions in jobs yet.")
    else:
        print_line(drift.title)
        SafeConsole().print(drift.table())


def _concepts(description: "Description") -> Listing:
    listing = Listing("category", "written from", "concept", numbers=["written from"])
    for label, uri in zip(description.labels, description.concept_uris, strict=True):
        threshold = description.thresholds[uri]
        listing.add(label, "off" if threshold is None else f"{threshold:.3f}", uri)
    return listing


def _promised(description: "Description") -> list[str]:
    promise, least = description.promise, description.least_likeness
    abstains = "never, even if a picture is too different from the training pictures"
    if least is not None:
        abstains = (
            f"from pictures too different from the training pictures (likeness < {least:.3f})"
        )
    if least is not None and promise is not None:
        abstains += f"; at promotion {promise.said.unlike:,} of {promise.said.pictures:,}"
    before = ["Promised for: unknown; an older version made this model."]
    return [
        *(before if promise is None else promise.in_words()),
        f"Rule: {description.rule}.",
        f"Abstains: {abstains}.",
    ]


Provider = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of a data provider. Default: all records."),
]


@models.command()
def activate(model: StoredReference, provider: Provider = None) -> None:
    """Check the files of a model, and put it in service. Running jobs keep their model.

    You can also put a retired model in service again. Its withdrawn certificates stay withdrawn.

    With --provider, the model is used only for the records of this data provider. It must use the
    same encoder as the model for all records.

    Examples: trainer models activate pilot@1 ·
    trainer models activate heads@2 --provider "The Cleveland Museum of Art"
    """
    from common.store.session import open_store
    from trainer.models import service

    model_dir = ModelSettings.read().model_dir
    done = service.activate(open_store(), model_dir, model, data_provider=provider)
    title = done.model.title
    if done.before == title:
        print_line(f"{title} is already in service for {_whom(provider)}: no change.")
        return
    print_line(f"In service for {_whom(provider)} now: {title}")
    print_taken_out(done.taken_out)
    if done.before:
        print_line(f"Out of service there: {done.before}")
        hint(f"To undo it: {_back(provider)}")


@models.command()
def back(provider: Provider = None) -> None:
    """Put the previous model in service again. To undo this, run the command again.

    Retired models are skipped.

    Examples: trainer models back · trainer models back --provider "The Cleveland Museum of Art"
    """
    from common.store.session import open_store
    from trainer.models.service import go_back

    done = go_back(open_store(), ModelSettings.read().model_dir, data_provider=provider)
    print_line(f"In service for {_whom(provider)} now: {done.now or 'the model for all records'}")
    if done.before:
        print_line(f"Out of service there: {done.before}. Running jobs keep their model.")
    hint(f"To undo it: {_back(provider)}")


def _whom(provider: str | None) -> str:
    return provider or "all records"


def _back(provider: str | None) -> str:
    return "trainer models back" + (f" --provider {shlex.quote(provider)}" if provider else "")


@models.command()
def retire(model: StoredReference) -> None:
    """Take a model out of service for good. Its running jobs continue, and its certificates are
    withdrawn.

    Example: trainer models retire pilot@1
    """
    from common.publishing.withdrawals import groundless_words
    from common.store.session import open_store
    from trainer.models import catalogue

    engine = open_store()
    done = catalogue.retire(engine, model)
    title = done.before.title
    if done.before.standing == "retired":
        print_line(f"{title} is already retired: no change.")
    else:
        served = (
            f"It was in service for: {done.before.served}."
            if done.before.served
            else "It was not in service."
        )
        print_line(f"Retired: {title}. {served}")
        hint(f"To bring it back: trainer models activate {done.before.name}@{done.before.version}")
    if done.withdrawn:
        warn(f"Audits of {title} that are now withdrawn: {done.withdrawn:,}. You cannot undo this.")
    with engine.connect() as connection:
        if lost := groundless_words(connection):
            warn(lost)
    if not done.is_another_active:
        warn("No model serves all records now, so `worker enqueue` needs --model.")
        next_step("trainer models activate MODEL")
