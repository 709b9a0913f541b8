"""`trainer encoders`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import UsageError
from common.process.settings import ModelSettings
from common.process.terminal.command import command_group
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.store.encoders import StoredEncoder
from common.vision.preprocessing import Preprocessing
from trainer.commands.options import SavingDir, experiments_in
from trainer.commands.printing import print_line, warn

if TYPE_CHECKING:
    from trainer.models.encoders import EncoderSource

encoders = command_group(
    "Add, show and remove encoders: networks that turn pictures into embeddings."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the encoder.")]
Network = Annotated[
    str | None, typer.Argument(metavar="NETWORK", help="timm:NAME or torchvision:NAME.")
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=(
            "Weight file: .safetensors or .pth. Default: the weights of the library, which are "
            "downloaded."
        ),
    ),
]
OfExperiment = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Use the network of a finished experiment instead."),
]
FoldNumber = Annotated[
    int, typer.Option(min=0, metavar="NUMBER", help="Number of the fold of the experiment.")
]
Licence = Annotated[
    str | None, typer.Option(metavar="NAME", help="Licence of the weights, such as apache-2.0.")
]


@encoders.command()
def add(
    name: Name,
    network: Network = None,
    weights: Weights = None,
    experiment: OfExperiment = None,
    fold: FoldNumber = 0,
    saving_dir: SavingDir = None,
    licence: Licence = None,
) -> None:
    """Add an encoder: a network without its head, with the preprocessing of its training.

    Examples: trainer encoders add siglip timm:vit_base_patch16_siglip_224.v2_webli · trainer
    encoders add mobilenet torchvision:mobilenet_v2 --weights features.safetensors · trainer
    encoders add own --experiment model_training --fold 2
    """
    if (network is None) == (experiment is None):
        raise UsageError("Give either a network or --experiment.")
    if experiment is not None and weights is not None:
        raise UsageError("--weights is for a network; an experiment has its own weights.")

    from common.store.session import open_store
    from common.vision.encoders.licences import warning_about
    from trainer.models.encoders import add_encoder
    from trainer.settings import checked_name

    checked_name(name, of="an encoder")
    engine = open_store()
    source = _source(network, weights, experiment, fold, saving_dir, licence)
    found, is_new = add_encoder(engine, ModelSettings.read().model_dir, name, source)
    print_line(f"{'Added' if is_new else 'Added before'}: {_line(found)}")
    print_line(_prepared(source.preprocessing))
    if warning := warning_about(found.licence):
        warn(warning)
    next_step(f"trainer train --encoder {found.name} --dataset NAME")


def _source(
    network: str | None,
    weights: Path | None,
    experiment: str | None,
    fold: int,
    saving_dir: Path | None,
    licence: str | None,
) -> "EncoderSource":
    from trainer.experiment import Experiment
    from trainer.models.encoders import of_fold, of_library

    if network is not None:
        return of_library(network, weights, licence)
    return of_fold(Experiment(experiments_in(saving_dir), experiment or ""), fold, licence)


@encoders.command("list")
@prints(list[StoredEncoder])
def list_(as_json: AsJson = False) -> None:
    """List all encoders.

    Example: trainer encoders list
    """
    from common.store.encoders import stored_encoders
    from common.store.session import open_store

    with open_store().connect() as connection:
        found = stored_encoders(connection)
    if as_json:
        print_json(found, list[StoredEncoder])
        return
    if not found:
        print_line("There are no encoders yet.")
        next_step("trainer encoders add NAME timm:NETWORK")
        return
    texts = ("network", "licence")
    listing = Listing("name", *texts, "numbers", "added", numbers=["numbers"], texts=texts)
    for each in found:
        added = f"{each.created_at.astimezone():%Y-%m-%d %H:%M}"
        licence = each.licence or "unknown"
        listing.add(each.name, each.network, licence, str(each.dimension), added)
    listing.print()


@dataclass(frozen=True, kw_only=True)
class EncoderDetails(StoredEncoder):
    """An encoder with the models that need it, and how it prepares pictures."""

    models: list[str]
    preprocessing: Preprocessing


@encoders.command()
@prints(EncoderDetails)
def show(name: Name, as_json: AsJson = False) -> None:
    """Check the files of an encoder, and show its details and the models that need it.

    Example: trainer encoders show siglip
    """
    from common.store.encoders import find_encoder, models_on
    from common.store.session import open_store
    from common.vision.encoders.description import ENCODERS, check_encoder
    from common.vision.encoders.licences import warning_about

    with open_store().connect() as connection:
        found = find_encoder(connection, name)
        models = models_on(connection, found)
    how = check_encoder(ModelSettings.read().model_dir / ENCODERS, found.sha256).preprocessing
    if as_json:
        details = EncoderDetails(**vars(found), models=models, preprocessing=how)
        print_json(details, EncoderDetails)
        return
    print_line(_line(found))
    print_line(f"identity: {found.sha256}")
    print_line(_prepared(how))
    print_line(f"models: {', '.join(models) or 'none'}")
    if warning := warning_about(found.licence):
        warn(warning)


@encoders.command()
def remove(name: Name) -> None:
    """Remove an encoder and all its embeddings, unless a model needs it.

    Example: trainer encoders remove siglip
    """
    from common.store.session import open_store
    from trainer.models.encoder_removal import remove as remove_encoder

    found = remove_encoder(open_store(), ModelSettings.read().model_dir, name)
    print_line(f"Removed: {found.name}, with all its embeddings.")


def _line(encoder: StoredEncoder) -> str:
    return (
        f"{encoder.name}: {encoder.network}, {encoder.dimension} numbers a picture, "
        f"licence {encoder.licence or 'unknown'}"
    )


def _prepared(how: Preprocessing) -> str:
    kept = f", the middle {how.kept:.1%} of each side" if how.resize == "crop" else ""
    return f"pictures: {how.size} px, {how.resize}{kept}, {how.interpolation}"
