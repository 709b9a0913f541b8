"""The files of a bundle, and its `model.json`: all that a worker needs besides the weights.

Each file's sha256 is recorded when it is written, and checked when it is read.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torchvision
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError

from common.errors import ModelError
from common.vision.kinds import Kind, TrainingPictures
from common.vision.network import StateDict
from common.vision.preprocessing import Preprocessing

DESCRIPTION = "model.json"


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """A file of the bundle: the weights of one classifier, or pictures."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of `model.json`.

    `labels` and `concept_uris` are in the order of the classifier's outputs. `kind` is single if a
    picture has one concept (softmax), multi if it may have several (sigmoid). The logits are
    divided by `temperature`. `thresholds` map a concept URI to the probability from which it is
    written, or to None if the concept is switched off. `created_from` describes the origin for
    people. A model that was imported without pictures has neither `self_test` nor `calibration`,
    a model of an older version has no `calibration`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    architecture: str
    labels: tuple[str, ...]
    concept_uris: tuple[str, ...]
    preprocessing: Preprocessing
    kind: Kind
    temperature: float
    thresholds: dict[str, float | None]
    picture_source: TrainingPictures
    created_from: dict[str, Any]
    members: tuple[BundleFile, ...] = ()
    self_test: BundleFile | None = None
    calibration: BundleFile | None = None
    torchvision: str = torchvision.__version__

    def __post_init__(self) -> None:
        same_concepts = set(self.concept_uris) == set(self.thresholds)
        if len(self.labels) != len(self.concept_uris) or not same_concepts:
            raise ModelError("Labels, concepts and thresholds of the model do not match.")
        if not self.temperature > 0:
            raise ModelError(f"The temperature of the model is {self.temperature}, not positive.")

    @property
    def files(self) -> tuple[BundleFile, ...]:
        """All files of the bundle besides `model.json`."""
        pictures = (self.self_test, self.calibration)
        return (*self.members, *(file for file in pictures if file is not None))

    def to_json(self) -> str:
        """The text of `model.json`; the same description gives the same bytes."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


_DESCRIPTION = TypeAdapter(Description)


def parse_description(text: bytes) -> Description:
    """The description that `to_json` wrote.

    Raises:
        ModelError: it is damaged, or of another version of this program.
    """
    try:
        return _DESCRIPTION.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{DESCRIPTION} is damaged: {where}: {first['msg']}.") from error


def write_tensors(path: Path, tensors: StateDict) -> BundleFile:
    """Write tensors as safetensors. Returns the name and the sha256 of the file."""
    data = safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
    path.write_bytes(data)
    return BundleFile(file=path.name, sha256=sha256_of(data))


def read_tensors(folder: Path, file: BundleFile) -> StateDict:
    """The tensors of a file of the bundle.

    Raises:
        ModelError: it is missing, was changed, holds no tensors, or is outside the folder.
    """
    path = folder / file.file
    if path.parent != folder:
        raise ModelError(f"{folder / DESCRIPTION} names a file outside its folder.")
    try:
        return safetensors.torch.load(read_checked(path, file.sha256))
    except SafetensorError as error:
        raise ModelError(f"{path} holds no tensors: {error}.") from error


def read_checked(path: Path, expected_sha256: str | None = None) -> bytes:
    """The bytes of a file, whose sha256 is checked if one is expected.

    Raises:
        ModelError: the file cannot be read, or has another sha256.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    if expected_sha256 is not None and sha256_of(data) != expected_sha256:
        raise ModelError(
            f"{path} is not the file that was promoted: its sha256 is {sha256_of(data)[:12]}..., "
            f"expected {expected_sha256[:12]}.... Promote the model again."
        )
    return data


def sha256_of(data: bytes) -> str:
    """The sha256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
