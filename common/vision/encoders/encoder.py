"""An encoder: a network without a head, checked and loaded, that turns pictures into embeddings.

Its folder holds the weights, and `encoder.json`, which `description` reads.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from common.errors import EnrichmentError, ModelError, UsageError
from common.vision.bundle import check_preprocessing, read_tensors, write_tensors
from common.vision.encoders.description import (
    ADD_AGAIN,
    ENCODER_JSON,
    EncoderDescription,
    read_encoder,
)
from common.vision.encoders.networks import build_network, dimension_of, load_whole
from common.vision.preprocessing import Preprocessing
from common.vision.served import Served, ServedNetwork
from common.vision.weights import StateDict

_WEIGHTS = "weights.safetensors"


class Embedder(ServedNetwork):
    """Embeddings of length 1, float32, before they are rounded to float16."""

    def finish(self, answers: torch.Tensor) -> torch.Tensor:
        return functional.normalize(answers.mean(0), dim=1)


@dataclass(frozen=True, kw_only=True)
class Encoder:
    description: EncoderDescription
    served: Served


def save_encoder(
    encoders: Path,
    network: str,
    weights: Path | StateDict,
    preprocessing: Preprocessing,
    source: str,
) -> EncoderDescription:
    """Write an encoder into its folder below `encoders`, unless it is there.

    Args:
        source: where the weights are from, for messages.

    Raises:
        UsageError: there is no such network.
        ModelError: the weights are unusable or those of another network.
        EnrichmentError: the disk is full or refuses.
    """
    check_preprocessing(preprocessing)
    built = build_network(network, size=preprocessing.size)
    load_whole(built, weights, source=source)
    dimension = dimension_of(built, size=preprocessing.size)
    _check_sight(built, preprocessing, source)
    try:
        encoders.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".adding-", dir=encoders))
        try:
            description = EncoderDescription(
                network=network,
                weights=write_tensors(scratch / _WEIGHTS, built.state_dict()),
                preprocessing=preprocessing,
                dimension=dimension,
            )
            (scratch / ENCODER_JSON).write_text(description.to_json())
            _put(scratch, encoders / description.identity)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        place = error.filename2 or encoders
        raise EnrichmentError(f"{place} cannot be written: {error.strerror}.") from error
    return description


def _check_sight(network: nn.Module, preprocessing: Preprocessing, source: str) -> None:
    """Raises ModelError if two different pictures give no two different embeddings."""
    drawn, size = torch.Generator().manual_seed(0), preprocessing.size
    pictures = torch.randint(0, 256, (2, 3, size, size), generator=drawn).byte()
    with torch.inference_mode():
        one, other = Embedder([network], preprocessing)(pictures)
    if not (one.isfinite().all() and other.isfinite().all() and one.any() and other.any()):
        raise ModelError(f"{source} cannot be used: the network gives no numbers for a picture.")
    if torch.equal(one, other):
        raise ModelError(f"{source} cannot be used: all pictures are the same to the network.")


def _put(made: Path, folder: Path) -> None:
    """Move the encoder to its place. Files there that do not check were never added."""
    if _is_whole(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        made.rename(folder)
    except OSError:
        if not _is_whole(folder):  # else another process was faster
            raise


def _is_whole(folder: Path) -> bool:
    try:
        load_encoder(folder.parent, folder.name)
    except ModelError:
        return False
    return True


def load_encoder(encoders: Path, identity: str) -> Encoder:
    """An encoder, on the CPU, after checking every byte of it.

    Raises:
        ModelError: a file is missing or was changed, or the weights do not fit.
    """
    description = read_encoder(encoders, identity)
    size, folder = description.preprocessing.size, encoders / identity
    try:
        network = build_network(description.network, size=size)
    except UsageError as error:
        raise ModelError(f"{folder} contains an encoder that cannot be built: {error}") from error
    tensors = read_tensors(folder, description.weights, again=ADD_AGAIN)
    load_whole(network, tensors, source=str(folder / description.weights.file))
    return Encoder(
        description=description,
        served=Served(
            title=description.network,
            sha256=identity,
            size=size,
            network=Embedder([network], description.preprocessing),
            is_exact=True,
        ),
    )
