"""Add encoders: from a library's network or from a fold that was trained here."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from common.errors import UsageError
from common.store.encoders import StoredEncoder, find_encoder, register_encoder
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import save_encoder
from common.vision.encoders.licences import MOST_CHARACTERS
from common.vision.encoders.networks import origin_of, pretrained_weights
from common.vision.preprocessing import Preprocessing
from common.vision.weights import StateDict
from trainer.experiment import Experiment


@dataclass(frozen=True, kw_only=True)
class EncoderSource:
    """`weights` are those of the network, with or without a head."""

    network: str
    weights: Path | StateDict
    preprocessing: Preprocessing
    licence: str
    described: str


def of_library(network: str, weights: Path | None, licence: str | None) -> EncoderSource:
    """A network of timm or torchvision, with the weights of its library or of a file.

    The user names the licence of a file, since the file can have any source.

    Raises:
        UsageError: there is no such network.
        ModelError: there are no weights, or they cannot be downloaded.
    """
    origin = origin_of(network)
    own = origin.licence if weights is None else ""
    return EncoderSource(
        network=network,
        weights=pretrained_weights(network) if weights is None else weights,
        preprocessing=origin.preprocessing,
        licence=_checked_licence(own if licence is None else licence),
        described=f"the weights of {network}" if weights is None else str(weights),
    )


def of_fold(experiment: Experiment, fold: int, licence: str | None) -> EncoderSource:
    """The network that a fold trained, without its head.

    Raises:
        UsageError: there is no such experiment or fold, or it trained only heads.
        ModelError: the experiment is damaged, or the fold is not finished.
    """
    if not experiment.folder.is_dir():
        raise UsageError(f"There is no experiment {experiment.folder}.")
    settings = experiment.settings()
    if not 0 <= fold < settings.folds:
        raise UsageError(f"There is no fold {fold}. The folds are 0 to {settings.folds - 1}.")
    if settings.encoder:
        raise UsageError(
            f"{experiment.name} trained only heads on the encoder {settings.encoder}. It has "
            "no network."
        )
    return EncoderSource(
        network=f"torchvision:{settings.architecture}",
        weights=experiment.checkpoint(experiment.result(fold)),
        preprocessing=settings.preprocessing,
        licence=_checked_licence(licence or ""),
        described=f"fold {fold} of {experiment.name}",
    )


def _checked_licence(licence: str) -> str:
    if len(licence) > MOST_CHARACTERS or not licence.isprintable():
        raise UsageError(f"--licence must be a name of at most {MOST_CHARACTERS} characters.")
    return licence.strip()


def add_encoder(
    engine: Engine, model_dir: Path, name: str, source: EncoderSource
) -> tuple[StoredEncoder, bool]:
    """Save an encoder and record it. Returns it, and whether it is new.

    Raises:
        UsageError: the name belongs to another encoder, or the encoder has another name.
        ModelError: the weights cannot be used, or are those of another network.
        EnrichmentError: the disk is full or cannot be written to.
    """
    described = save_encoder(
        model_dir / ENCODERS,
        source.network,
        source.weights,
        source.preprocessing,
        source=source.described,
    )
    with engine.begin() as connection:
        is_new = register_encoder(
            connection,
            name=name,
            sha256=described.identity,
            network=described.network,
            dimension=described.dimension,
            licence=source.licence,
        )
        return find_encoder(connection, name), is_new
