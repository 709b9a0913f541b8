"""What an encoder is, without loading its network: this module loads no torch.

An encoder is a folder below `encoders` in MODEL_DIR. It holds the weights, and `encoder.json`,
which says all that an embedding depends on: the network, the sha256 of its weights, the
preprocessing and the precision. The sha256 of `encoder.json` is the encoder's identity. So
embeddings of one identity can be compared with each other, whichever worker computed them and when.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from common.errors import ModelError
from common.process.wrong_values import first_wrong
from common.vision.bundle import (
    BundleFile,
    Description,
    read_checked,
    sha256_of,
)
from common.vision.preprocessing import Preprocessing

ENCODERS = "encoders"  # folder in MODEL_DIR
ENCODER_JSON = "encoder.json"
ADD_AGAIN = "add the encoder again under its name: trainer encoders add"
MOST_NUMBERS = 4000  # of an embedding; more do not fit into a page of Postgres, nor into an index


@dataclass(frozen=True, kw_only=True)
class EncoderDescription:
    """The content of `encoder.json`; `network` is `timm:NAME` or `torchvision:NAME`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    network: str
    weights: BundleFile
    preprocessing: Preprocessing
    dimension: Annotated[int, Field(ge=1, le=MOST_NUMBERS)]
    precision: Literal["float32"] = "float32"

    def to_json(self) -> str:
        """The text of `encoder.json`; the same description gives the same bytes."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def identity(self) -> str:
        """The sha256 of `encoder.json`."""
        return sha256_of(self.to_json().encode())


_DESCRIPTION = TypeAdapter(EncoderDescription)


def read_encoder(encoders: Path, identity: str) -> EncoderDescription:
    """The description of an encoder, without loading its weights.

    Raises:
        ModelError: `encoder.json` is missing, was changed, or is damaged.
    """
    path = encoders / identity / ENCODER_JSON
    text = read_checked(path, identity, again=ADD_AGAIN)
    try:
        return _DESCRIPTION.validate_json(text, strict=True)
    except ValidationError as error:
        raise ModelError(f"{path} is damaged: {first_wrong(error)}.") from error


def missing_files(model_dir: Path, path: str, description: Description) -> list[Path]:
    """The files of a model, those of its encoder included, that are not there; none is checked.

    Args:
        path: of the model below MODEL_DIR.

    Raises:
        ModelError: `encoder.json` was changed, or is damaged.
    """
    files = [model_dir / path / each.file for each in description.files]
    if description.encoder is not None:
        folder = model_dir / ENCODERS / description.encoder
        if not (folder / ENCODER_JSON).is_file():
            files.append(folder / ENCODER_JSON)
        else:
            encoder = read_encoder(model_dir / ENCODERS, description.encoder)
            files.append(folder / encoder.weights.file)
    return [each for each in files if not each.is_file()]


def check_encoder(encoders: Path, identity: str) -> EncoderDescription:
    """The description of an encoder, after checking every byte of it.

    Raises:
        ModelError: a file is missing or was changed.
    """
    description = read_encoder(encoders, identity)
    file = description.weights
    read_checked(encoders / identity / file.file, file.sha256, again=ADD_AGAIN)
    return description
