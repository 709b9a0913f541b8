"""`trainer encoders`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from common.errors import UsageError
from common.process.settings import ModelSettings
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from trainer.commands.options import SavingDir
from trainer.commands.printing import print_line, print_next

if TYPE_CHECKING:
    from common.store.encoders import StoredEncoder
    from common.vision.preprocessing import Preprocessing
    from trainer.models.encoders import EncoderSource

encoders = command_group("Add networks that turn pictures into embeddings, and look at them.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of the encoder.")]


@encoders.command()
def add(
    name: Name,
    network: Annotated[
        str | None,
        typer.Argument(metavar="[NETWORK]", help="timm:NAME or torchvision:NAME."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="A .safetensors or .pth file; without one the library's are downloaded."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="Instead of a network: a finished experiment.")
    ] = None,
    fold: Annotated[int, typer.Option(help="Which fold of the experiment.")] = 0,
    saving_dir: SavingDir = Path("experiments"),
    licence: Annotated[
        str | None, typer.Option(help="Licence of the weights, such as apache-2.0.")
    ] = None,
) -> None:
    """Add an encoder: a network without its head, prepared as its weights were trained.

    Examples: trainer encoders add siglip timm:vit_base_patch16_siglip_224.v2_webli · trainer
    encoders add mobilenet torchvision:mobilenet_v2 --weights features.safetensors · trainer
    encoders add own --experiment model_training --fold 2
    """
    if (network is None) == (experiment is None):
        raise UsageError("Give either a network or --experiment.")
    if experiment is not None and weights is not None:
        raise UsageError("--weights goes with a network; an experiment has its own.")

    from common.store.session import open_store
    from common.vision.encoders.licences import warning_about
    from trainer.experiment import checked_name
    from trainer.models.encoders import add_encoder

    engine = open_store()
    checked_name(name, of="an encoder")
    source = _source(network, weights, experiment, fold, saving_dir, licence)
    found, is_new = add_encoder(engine, ModelSettings.read().model_dir, name, source)
    print_line(f"{'Added' if is_new else 'Added before'}: {_line(found)}")
    print_line(_prepared(source.preprocessing))
    if warning := warning_about(found.licence):
        print_line(warning)
    print_next(f"trainer train --encoder {found.name} --dataset NAME")


def _source(
    network: str | None,
    weights: Path | None,
    experiment: str | None,
    fold: int,
    saving_dir: Path,
    licence: str | None,
) -> "EncoderSource":
    from trainer.experiment import Experiment
    from trainer.models.encoders import of_fold, of_library

    if network is not None:
        return of_library(network, weights, licence)
    return of_fold(Experiment(saving_dir, experiment or ""), fold, licence)


@encoders.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all encoders."""
    from common.store.encoders import stored_encoders
    from common.store.session import open_store

    with open_store().connect() as connection:
        found = stored_encoders(connection)
    if as_json:
        typer.echo(json.dumps([_members(each) for each in found]))
        return
    table = Table(box=box.SIMPLE)
    for column in ("name", "network", "numbers", "licence", "added"):
        table.add_column(column, overflow="fold")
    for each in found:
        added = f"{each.created_at.astimezone():%Y-%m-%d %H:%M}"
        licence = each.licence or "unknown"
        table.add_row(each.name, each.network, str(each.dimension), licence, added)
    SafeConsole().print(table)


@encoders.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show what an encoder is, after checking its files, and which models need it."""
    from common.store.encoders import find_encoder, models_on
    from common.store.session import open_store
    from common.vision.encoders.encoder import ENCODERS, read_encoder
    from common.vision.encoders.licences import warning_about
    from trainer.models.encoders import check_files

    model_dir = ModelSettings.read().model_dir
    with open_store().connect() as connection:
        found = find_encoder(connection, name)
        models = models_on(connection, found)
    check_files(model_dir, found)
    how = read_encoder(model_dir / ENCODERS, found.sha256).preprocessing
    if as_json:
        typer.echo(json.dumps(_members(found) | {"models": models, "preprocessing": asdict(how)}))
        return
    print_line(_line(found))
    print_line(f"identity: {found.sha256}")
    print_line(_prepared(how))
    print_line(f"models: {', '.join(models) or 'none'}")
    if warning := warning_about(found.licence):
        print_line(warning)


@encoders.command()
def remove(name: Name) -> None:
    """Remove an encoder and all its embeddings, unless a model needs it."""
    from common.store.session import open_store
    from trainer.models.encoders import remove as remove_encoder

    found = remove_encoder(open_store(), ModelSettings.read().model_dir, name)
    print_line(f"Removed: {found.name}, with all that was kept of it")


def _line(encoder: "StoredEncoder") -> str:
    return (
        f"{encoder.name}: {encoder.network}, {encoder.dimension} numbers a picture, "
        f"licence {encoder.licence or 'unknown'}"
    )


def _prepared(how: "Preprocessing") -> str:
    kept = f", the middle {how.kept:.1%} of a side" if how.resize == "crop" else ""
    return f"pictures: {how.size} px, {how.resize}{kept}, {how.interpolation}"


def _members(encoder: "StoredEncoder") -> dict[str, Any]:
    return asdict(encoder) | {"created_at": encoder.created_at.isoformat()}
