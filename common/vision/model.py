"""The model: a promoted bundle, whole or not at all.

A bundle is a folder with `model.json` and, for each member of the ensemble, the weights of one
classifier as safetensors. `model.json` holds all that a worker needs to know, and the sha256 of
each weight file. The sha256 of a bundle is that of the bytes of its `model.json`; so it covers
every byte of the bundle, and is checked before anything is loaded.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import safetensors.torch
import torch
import torchvision
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from common.errors import ModelError, UsageError
from common.vision.classifier import StateDict, build_classifier
from common.vision.preprocessing import Preprocessing

Kind = Literal["single", "multi"]
PictureSource = Literal["thumbnail", "media", "mixed", "folder"]

DESCRIPTION = "model.json"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One classifier of the ensemble: its weight file in the bundle."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `model.json` says.

    `labels` and `concept_uris` stand in the order of the classifier's outputs. `kind` is single
    where a picture has one concept (softmax), multi where it may have several (sigmoid). The
    logits are divided by `temperature`. `thresholds` map a concept URI to the probability from
    which it is written, or to None where the concept is switched off. `picture_source` is what
    the pictures of the training were. `created_from` tells the origin, for people.
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
    members: tuple[Member, ...] = ()
    torchvision: str = torchvision.__version__

    def __post_init__(self) -> None:
        same_concepts = set(self.concept_uris) == set(self.thresholds)
        if len(self.labels) != len(self.concept_uris) or not same_concepts:
            raise ModelError("Labels, concepts and thresholds of the model do not fit together.")
        if self.kind not in get_args(Kind) or not self.temperature > 0:
            raise ModelError(f"No model has kind {self.kind!r} and temperature {self.temperature}.")

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
            raw["members"] = tuple(Member(**member) for member in raw["members"])
            for name in ("labels", "concept_uris"):
                raw[name] = tuple(raw[name])
            return cls(**raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{DESCRIPTION} is damaged: {error}.") from None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A concept that a picture shows, with its probability."""

    concept_uri: str
    confidence: float


class Predictor(nn.Module):
    """From uint8 pictures (n, 3, size, size) to probabilities (n, classes), float32.

    The mean over the members of an ensemble, each with its own softmax or sigmoid.
    """

    def __init__(self, members: list[nn.Module], description: Description) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._preprocessing = description.preprocessing
        self._single = description.kind == "single"
        self._temperature = description.temperature
        self.eval()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        pictures = self._preprocessing.normalise(batch)
        logits = torch.stack([member(pictures) for member in self.members]).float()
        scaled = logits / self._temperature
        return (scaled.softmax(-1) if self._single else scaled.sigmoid()).mean(0)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A bundle in memory: what it says, and what it does."""

    description: Description
    predictor: Predictor
    sha256: str

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """The reference: uint8 pictures (n, 3, size, size) to float32 (n, classes), on the CPU.

        A worker asks a runtime instead, which must agree with this.
        """
        with torch.inference_mode():
            return self.predictor(batch).numpy()  # type: ignore[no-any-return]

    def predictions(self, probabilities: NDArray[np.float32]) -> list[Prediction]:
        """The concepts of one picture, from its row of probabilities, most probable first.

        A concept is written where its probability reaches its threshold. The precision that the
        thresholds promise was measured for this rule and holds for no other.
        """
        found = [
            Prediction(concept_uri=uri, confidence=float(probability))
            for uri, probability in zip(self.description.concept_uris, probabilities, strict=True)
            if (threshold := self.description.thresholds[uri]) is not None
            and probability >= threshold
        ]
        return sorted(found, key=lambda prediction: -prediction.confidence)


def save_bundle(folder: Path, description: Description, members: list[StateDict]) -> str:
    """Write a bundle into a new folder and return its sha256.

    Members are named and hashed here; those of `description` are replaced.
    """
    folder.mkdir(parents=True)
    listed = []
    for number, state in enumerate(members):
        data = safetensors.torch.save({name: t.contiguous() for name, t in state.items()})
        member = Member(file=f"member_{number}.safetensors", sha256=_sha256(data))
        (folder / member.file).write_bytes(data)
        listed.append(member)
    text = replace(description, members=tuple(listed)).to_json().encode()
    (folder / DESCRIPTION).write_bytes(text)
    return _sha256(text)


def load_bundle(folder: Path, expected_sha256: str) -> Model:
    """The model of a bundle, on the CPU, after every byte of it was checked.

    Raises:
        ModelError: something is missing, was changed, or does not fit together.
    """
    text = _read(folder / DESCRIPTION, expected_sha256)
    description = Description.from_json(text.decode())
    if not description.members:
        raise ModelError(f"{folder} holds a model without weights.")
    members = [_load_member(folder, member, description) for member in description.members]
    return Model(
        description=description,
        predictor=Predictor(members, description),
        sha256=expected_sha256,
    )


def _load_member(folder: Path, member: Member, description: Description) -> nn.Module:
    path = folder / member.file
    if path.parent != folder:
        raise ModelError(f"{folder / DESCRIPTION} names a file outside its folder.")
    data = _read(path, member.sha256)
    try:
        classifier = build_classifier(
            description.architecture,
            classes=len(description.labels),
            size=description.preprocessing.size,
        )
        classifier.load_state_dict(safetensors.torch.load(data))
    except (SafetensorError, RuntimeError, UsageError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path} does not fit {description.architecture} with {len(description.labels)} "
            f"classes: {reason}"
        ) from None
    return classifier


def _read(path: Path, expected_sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    if _sha256(data) != expected_sha256:
        raise ModelError(
            f"{path} is not the file that was promoted: its sha256 is {_sha256(data)[:12]}..., "
            f"expected {expected_sha256[:12]}.... Promote the model again."
        )
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
