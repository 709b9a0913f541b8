"""The files of a bundle, and `model.json`: all that a worker needs to know beside the weights.

Files are written with their sha256, and read only if they are what was written.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, get_args

import safetensors.torch
import torchvision
from safetensors import SafetensorError

from common.errors import ModelError
from common.vision.kinds import Kind, PictureSource
from common.vision.network import StateDict
from common.vision.preprocessing import Preprocessing

DESCRIPTION = "model.json"


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """A file of the bundle: the weights of one classifier of the ensemble, or pictures."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `model.json` says.

    `labels` and `concept_uris` stand in the order of the classifier's outputs. `kind` is single
    where a picture has one concept (softmax), multi where it may have several (sigmoid). The
    logits are divided by `temperature`. `thresholds` map a concept URI to the probability from
    which it is written, or to None where the concept is switched off. `picture_source` is what
    the pictures of the training were. `created_from` tells the origin, for people. A model that was
    imported without a picture has neither `self_test` nor `calibration`, an older one has no
    `calibration`.
    """

    architecture: str
    labels: tuple[str, ...]
    concept_uris: tuple[str, ...]
    preprocessing: Preprocessing
    kind: Kind
    temperature: float
    thresholds: dict[str, float | None]
    picture_source: PictureSource
    created_from: dict[str, Any]
    members: tuple[BundleFile, ...] = ()
    self_test: BundleFile | None = None
    calibration: BundleFile | None = None
    torchvision: str = torchvision.__version__

    def __post_init__(self) -> None:
        same_concepts = set(self.concept_uris) == set(self.thresholds)
        if len(self.labels) != len(self.concept_uris) or not same_concepts:
            raise ModelError("Labels, concepts and thresholds of the model do not fit together.")
        if self.kind not in get_args(Kind) or not self.temperature > 0:
            raise ModelError(f"No model has kind {self.kind!r} and temperature {self.temperature}.")

    @property
    def files(self) -> tuple[BundleFile, ...]:
        """All files of the bundle beside `model.json`."""
        pictures = (self.self_test, self.calibration)
        return (*self.members, *(file for file in pictures if file is not None))

    def to_json(self) -> str:
        """The text of `model.json`; the same description gives the same bytes."""
        members = asdict(self) | {"preprocessing": self.preprocessing.to_json()}
        return json.dumps(members, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The description that `to_json` wrote.

        Raises:
            ModelError: it is damaged, or of another version of this program.
        """
        try:
            raw = json.loads(text)
            raw["preprocessing"] = Preprocessing.from_json(raw["preprocessing"])
            raw["members"] = tuple(BundleFile(**member) for member in raw["members"])
            for name in ("self_test", "calibration"):
                raw[name] = BundleFile(**raw[name]) if raw.get(name) else None
            for name in ("labels", "concept_uris"):
                raw[name] = tuple(raw[name])
            return cls(**raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{DESCRIPTION} is damaged: {error}.") from None


def write_tensors(path: Path, tensors: StateDict) -> BundleFile:
    """Write tensors as safetensors, and tell how to name and check them."""
    data = safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
    path.write_bytes(data)
    return BundleFile(file=path.name, sha256=sha256_of(data))


def read_tensors(folder: Path, file: BundleFile) -> StateDict:
    """The tensors of a file of the bundle.

    Raises:
        ModelError: it is missing, was changed, holds no tensors, or lies elsewhere.
    """
    path = folder / file.file
    if path.parent != folder:
        raise ModelError(f"{folder / DESCRIPTION} names a file outside its folder.")
    try:
        return safetensors.torch.load(read_checked(path, file.sha256))
    except SafetensorError as error:
        raise ModelError(f"{path} holds no tensors: {error}.") from None


def read_checked(path: Path, expected_sha256: str | None = None) -> bytes:
    """The bytes of a file, which have the sha256, if one is expected.

    Raises:
        ModelError: they have not, or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    if expected_sha256 is not None and sha256_of(data) != expected_sha256:
        raise ModelError(
            f"{path} is not the file that was promoted: its sha256 is {sha256_of(data)[:12]}..., "
            f"expected {expected_sha256[:12]}.... Promote the model again."
        )
    return data


def sha256_of(data: bytes) -> str:
    """The sha256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
