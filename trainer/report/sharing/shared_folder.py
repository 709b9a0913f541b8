"""The folder of a shared model: its files, and `model.json`, which has the sha256 of each.

This module loads no torch.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from common.errors import ModelError
from common.europeana.concept_uris import is_concept_uri
from common.files import open_regular, read_regular
from common.process.wrong_values import first_wrong
from common.vision.bundle import DESCRIPTION, Description, check_preprocessing
from common.vision.encoders.description import EncoderDescription

WEIGHTS, NETWORK = "model.safetensors", "model.onnx"
VOCABULARY_FILE, CARD, EXAMPLE = "vocabulary.ttl", "README.md", "example.py"
MOST_DESCRIBED = 16 << 20  # bytes of model.json
MOST_WEIGHTS = 8 << 30  # bytes of model.safetensors
MOST_CLASSES = 10_000
_PART = 1 << 20  # bytes that are hashed at a time

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*(\.[a-z0-9]+)+$")]
_Text = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]


@dataclass(frozen=True, kw_only=True)
class SharedEncoder:
    name: _Text
    licence: _Text
    description: EncoderDescription


@dataclass(frozen=True, kw_only=True)
class SharedModel:
    """The content of `model.json`.

    `model` names no files: all tensors are in `model.safetensors`. A model without `least_likeness`
    never abstains.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    title: _Text
    model: Description
    least_likeness: Annotated[float | None, Field(ge=-1, le=1)]
    encoder: SharedEncoder | None
    files: dict[_FileName, _Sha256]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


_SHARED = TypeAdapter(SharedModel)


def sha256_of_file(path: Path) -> str:
    """Raises OSError: it is not a regular file, or cannot be read."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while part := stream.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def read_shared(folder: Path) -> SharedModel:
    """The description of a shared model, after a check of every file that it names.

    Raises:
        ModelError: a file is missing, was changed or is too large, or a value is out of range.
    """
    path = folder / DESCRIPTION
    try:
        shared = _SHARED.validate_json(read_regular(path, at_most=MOST_DESCRIBED), strict=True)
        for name, expected in shared.files.items():
            path = folder / name
            if sha256_of_file(path) != expected:
                raise ModelError(
                    f"{path} has changed since it was shared: its sha256 is different."
                )
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise ModelError(f"{path} is not a shared model: {first_wrong(error)}.") from error
    _check(folder, shared)
    return shared


def _check(folder: Path, shared: SharedModel) -> None:
    model, encoder = shared.model, shared.encoder
    is_labelled = all(each.isprintable() and 0 < len(each) <= 300 for each in model.labels)
    wrong = {
        f"it does not list {WEIGHTS}": WEIGHTS not in shared.files,
        f"a model has 2 to {MOST_CLASSES:,} concepts": not 2 <= len(model.labels) <= MOST_CLASSES,
        "a concept is not a URI": not all(map(is_concept_uri, model.concept_uris)),
        "a label is not a text of one line": not is_labelled,
        "the temperature is out of range": not 0 < model.temperature < 1e6,
        "the model lists files of its own": bool(model.files),
        "the model needs another encoder": model.encoder
        != (encoder.description.identity if encoder else None),
    }
    for problem, is_so in wrong.items():
        if is_so:
            raise ModelError(f"{folder / DESCRIPTION} is not a shared model: {problem}.")
    check_preprocessing(model.preprocessing)
