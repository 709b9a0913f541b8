"""The files of a bundle, and its `model.json`: all that a worker needs besides the weights.

Each file's sha256 is recorded when it is written, and checked when it is read.

Torch is loaded when tensors are read or written; what needs no network is read as arrays. To
read a description alone loads neither torch nor numpy.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from common.errors import ModelError
from common.process.wrong_values import first_wrong
from common.vision.answers.promise import Promise
from common.vision.answers.rule import Rule
from common.vision.kinds import Kind, TrainingPictures
from common.vision.preprocessing import Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from common.vision.weights import StateDict

DESCRIPTION = "model.json"
PROMOTE_AGAIN = "promote the model again"
LARGEST_SIZE = 4096  # pixels
LEAST_KEPT = 0.1  # of a picture's side
LEAST_DEVIATION = 1e-3  # of a colour in [0, 1]; published weights have 0.14 and more

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    __pydantic_config__ = ConfigDict(extra="forbid")

    file: str
    sha256: _Sha256


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of `model.json`.

    A model is a whole network of torchvision, `architecture`, or heads on an encoder. Then
    `encoder` is the encoder's identity and `architecture` its network. `members` are the weights of
    the networks, or of the heads.

    `labels` and `concept_uris` are in the order of the outputs. `kind` is single if a picture has
    one concept (softmax), multi if it may have several (sigmoid). The logits are divided by
    `temperature`. `thresholds` map a concept URI to the probability from which it is written, or to
    None if the concept is switched off; `rule` says which concepts may be written at all. A picture
    that is less like the pictures in `likeness` than `least_likeness` gets no concept; a model
    without them never abstains. `created_from` describes the origin for people. A model that was
    imported without pictures has no `self_test`, a model of an older version no `promise`,
    `likeness` or `known`; and `calibration`, which is no longer used. `known` lists the pictures
    that the model was trained on or measured by.
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
    rule: Rule = field(default_factory=Rule)
    promise: Promise | None = None
    likeness: BundleFile | None = None
    least_likeness: float | None = None
    known: BundleFile | None = None
    encoder: _Sha256 | None = None
    torchvision: str = field(default_factory=lambda: version("torchvision"))

    def __post_init__(self) -> None:
        same_concepts = set(self.concept_uris) == set(self.thresholds)
        if len(self.labels) != len(self.concept_uris) or not same_concepts:
            raise ModelError("Labels, concepts and thresholds of the model do not match.")
        if len(set(self.concept_uris)) != len(self.concept_uris):
            raise ModelError("A concept of the model is there twice.")
        for uri, threshold in self.thresholds.items():
            if threshold is not None and not 0 <= threshold <= 1:
                raise ModelError(
                    f"The threshold of {uri} is {threshold}, which is not a probability."
                )
        if (self.likeness is None) != (self.least_likeness is None):
            raise ModelError(
                "The likeness of the model is not complete: the pictures or the limit is missing."
            )

    @property
    def files(self) -> tuple[BundleFile, ...]:
        others = (self.self_test, self.calibration, self.likeness, self.known)
        return (*self.members, *(file for file in others if file is not None))

    def to_json(self) -> str:
        """The text of `model.json`; the same description gives the same bytes."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def check_preprocessing(preprocessing: Preprocessing) -> None:
    """Refuse what no picture can be prepared by.

    Raises:
        ModelError: a number is out of range.
    """
    if not 1 <= preprocessing.size <= LARGEST_SIZE:
        raise ModelError(
            f"The pictures have sides of {preprocessing.size} pixels, "
            f"not between 1 and {LARGEST_SIZE:,}."
        )
    if not all(0 <= each <= 1 for each in preprocessing.mean):  # nor is NaN
        raise ModelError("The mean of a colour is not between 0 and 1.")
    if not all(LEAST_DEVIATION <= each <= 1 for each in preprocessing.std):
        raise ModelError(f"The deviation of a colour is not between {LEAST_DEVIATION:g} and 1.")
    if not LEAST_KEPT <= preprocessing.kept <= 1:
        raise ModelError(
            f"The used share of a picture's side is {preprocessing.kept:g}, not "
            f"{LEAST_KEPT:g} to 1."
        )


_DESCRIPTION = TypeAdapter(Description)


def parse_description(text: bytes, *, source: str = DESCRIPTION) -> Description:
    """The description that `to_json` wrote; `source` names it in messages.

    Raises:
        ModelError: it is damaged, or of another version of this program.
    """
    try:
        return _DESCRIPTION.validate_json(text, strict=True)
    except ValidationError as error:
        raise ModelError(f"{source} is damaged: {first_wrong(error)}.") from error
    except ModelError as error:
        raise ModelError(f"{source} is damaged: {error}") from error


def read_description(folder: Path, expected_sha256: str) -> Description:
    """The description of a bundle, without its weights.

    Raises:
        ModelError: `model.json` is missing, was changed, or is damaged.
    """
    text = read_checked(folder / DESCRIPTION, expected_sha256)
    return parse_description(text, source=str(folder / DESCRIPTION))


def write_tensors(path: Path, tensors: "StateDict") -> BundleFile:
    import safetensors.torch

    data = safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
    path.write_bytes(data)
    return BundleFile(file=path.name, sha256=sha256_of(data))


def read_tensors(folder: Path, file: BundleFile, *, again: str = PROMOTE_AGAIN) -> "StateDict":
    """The tensors of a file of the bundle.

    Args:
        again: what mends a missing or changed file.

    Raises:
        ModelError: it is missing, was changed, or holds no tensors.
    """
    from common.vision.weights import parsed

    path = folder / file.file
    return parsed(read_checked(path, file.sha256, again=again), source=str(path))


def read_arrays(folder: Path, file: BundleFile) -> "dict[str, NDArray[Any]]":
    """The tensors of a file of the bundle as arrays; errors as for `read_tensors`."""
    import numpy as np
    import safetensors.numpy

    path = folder / file.file
    data = read_checked(path, file.sha256)
    try:
        return {name: np.asarray(each) for name, each in safetensors.numpy.load(data).items()}
    except Exception as error:  # the reader trusts a file's form: it raises errors of any type
        raise ModelError(
            f"{path} cannot be read as arrays ({type(error).__name__}). To repair it, "
            f"{PROMOTE_AGAIN}."
        ) from error


def read_checked(
    path: Path, expected_sha256: str | None = None, *, again: str = PROMOTE_AGAIN
) -> bytes:
    """The bytes of a file, whose sha256 is checked if one is expected.

    Args:
        again: what mends a missing or changed file.

    Raises:
        ModelError: the file cannot be read, or has another sha256.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        lost = f" Check that MODEL_DIR names the folder of the models; else {again}."
        advice = lost if isinstance(error, FileNotFoundError) else ""
        raise ModelError(f"{path} cannot be read: {error.strerror}.{advice}") from error
    if expected_sha256 is not None and sha256_of(data) != expected_sha256:
        raise ModelError(
            f"{path} is not the file that was saved: its sha256 is {sha256_of(data)[:12]}..., "
            f"expected {expected_sha256[:12]}.... To repair it, {again}."
        )
    return data


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
