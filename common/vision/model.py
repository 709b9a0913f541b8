"""The model: a promoted bundle, whole or not at all.

A bundle is a folder with `model.json` and, for each member of the ensemble, the weights of one
classifier as safetensors; beside them some pictures and what the model said of them when it was
promoted. `model.json` holds all that a worker needs to know, and the sha256 of each file. The
sha256 of a bundle is that of the bytes of its `model.json`; so it covers every byte of the bundle,
and is checked before anything is loaded.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torchvision
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from common.errors import ModelError, UsageError
from common.vision.classifier import StateDict, build_classifier
from common.vision.description import (
    DESCRIPTION,
    BundleFile,
    Description,
    Kind,
    PictureSource,
)
from common.vision.preprocessing import Normalisation

__all__ = [
    "DESCRIPTION",
    "Description",
    "Kind",
    "Model",
    "PictureSource",
    "Prediction",
    "Predictor",
    "bundle_sha256",
    "load_bundle",
    "read_description",
    "save_bundle",
]

SELF_TEST = "self_test.safetensors"
SELF_TEST_PICTURES = 64  # at most
SELF_TEST_BYTES = 4 << 20  # of pictures, at most: 64 of 128 pixels, 27 of 224
SELF_TEST_TOLERANCE = 1e-3  # of a probability; float32 on other machines differs by some 1e-6


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
        self._normalise = Normalisation(description.preprocessing)
        self._single = description.kind == "single"
        self._temperature = description.temperature
        self.eval()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        pictures = self._normalise(batch)
        logits = torch.stack([member(pictures) for member in self.members]).float()
        scaled = logits / self._temperature
        return (scaled.softmax(-1) if self._single else scaled.sigmoid()).mean(0)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A bundle in memory: what it says, and what it does.

    `self_test_pictures` are uint8 (n, 3, size, size), `self_test_expected` the probabilities
    (n, classes) that they gave when the model was promoted.
    """

    description: Description
    predictor: Predictor
    sha256: str
    self_test_pictures: torch.Tensor
    self_test_expected: NDArray[np.float32]

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """The reference: uint8 pictures (n, 3, size, size) to float32 (n, classes), on the CPU.

        A worker asks a runtime instead, which must agree with this.
        """
        with torch.inference_mode():
            return self.predictor(batch).numpy()  # type: ignore[no-any-return]

    def self_test(
        self,
        compute: Callable[[torch.Tensor], NDArray[np.float32]],
        *,
        tolerance: float = SELF_TEST_TOLERANCE,
    ) -> None:
        """Have the pictures of the self-test classified as they will be in service.

        Args:
            compute: `probabilities` of this model, or of the runtime that it will be served by.
            tolerance: by how much a probability may differ; a runtime of less precision has more.

        Raises:
            ModelError: here the model does not say what it said when it was promoted.
        """
        found = compute(self.self_test_pictures)
        differences = np.abs(found - self.self_test_expected).max(axis=1, initial=0.0)
        wrong = int((~(differences <= tolerance)).sum())  # so that NaN is wrong
        if wrong:
            raise ModelError(
                f"The model fails its self-test here: of {wrong} of {len(found)} pictures it gives "
                f"other probabilities than when it was promoted, by up to {differences.max():.2g} "
                f"where {tolerance:g} is allowed. It was promoted with torchvision "
                f"{self.description.torchvision}, here is {torchvision.__version__}."
            )

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


def save_bundle(
    folder: Path,
    description: Description,
    members: list[StateDict],
    pictures: torch.Tensor | None = None,
) -> str:
    """Write a bundle into a new folder and return its sha256.

    Members and self-test are named and hashed here; those of `description` are replaced.

    Args:
        pictures: uint8 (n, 3, size, size) for the self-test.

    Raises:
        ModelError: the weights do not fit the description.
    """
    folder.mkdir(parents=True)
    listed = tuple(
        _write(folder / f"member_{number}.safetensors", state)
        for number, state in enumerate(members)
    )
    complete = replace(description, members=listed, self_test=None)
    if pictures is not None:
        expected = torch.from_numpy(_load(folder, complete, sha256="").probabilities(pictures))
        self_test = _write(folder / SELF_TEST, {"pictures": pictures, "expected": expected})
        complete = replace(complete, self_test=self_test)
    text = complete.to_json().encode()
    (folder / DESCRIPTION).write_bytes(text)
    return _sha256(text)


def bundle_sha256(folder: Path) -> str:
    """The sha256 that a bundle has now, for one that no store knows.

    Raises:
        ModelError: there is no bundle.
    """
    return _sha256(_read(folder / DESCRIPTION))


def load_bundle(folder: Path, expected_sha256: str) -> Model:
    """The model of a bundle, on the CPU, after every byte of it was checked.

    Raises:
        ModelError: something is missing, was changed, or does not fit together.
    """
    return _load(folder, read_description(folder, expected_sha256), sha256=expected_sha256)


def read_description(folder: Path, expected_sha256: str) -> Description:
    """What a bundle says, without its weights.

    Raises:
        ModelError: `model.json` is missing, was changed, or is damaged.
    """
    text = _read(folder / DESCRIPTION, expected_sha256)
    return Description.from_json(text.decode(errors="replace"))


def _load(folder: Path, description: Description, *, sha256: str) -> Model:
    if not description.members:
        raise ModelError(f"{folder} holds a model without weights.")
    members = [_load_member(folder, member, description) for member in description.members]
    pictures, expected = _load_self_test(folder, description)
    return Model(
        description=description,
        predictor=Predictor(members, description),
        sha256=sha256,
        self_test_pictures=pictures,
        self_test_expected=expected.numpy(),
    )


def _load_member(folder: Path, member: BundleFile, description: Description) -> nn.Module:
    tensors = _read_tensors(folder, member)
    try:
        classifier = build_classifier(
            description.architecture,
            classes=len(description.labels),
            size=description.preprocessing.size,
        )
        classifier.load_state_dict(tensors)
    except (RuntimeError, UsageError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{folder / member.file} does not fit {description.architecture} with "
            f"{len(description.labels)} classes: {reason}"
        ) from None
    return classifier


def _load_self_test(folder: Path, description: Description) -> tuple[torch.Tensor, torch.Tensor]:
    size, classes = description.preprocessing.size, len(description.labels)
    if description.self_test is None:
        return torch.zeros((0, 3, size, size), dtype=torch.uint8), torch.zeros((0, classes))
    tensors = _read_tensors(folder, description.self_test)
    pictures, expected = tensors.get("pictures"), tensors.get("expected")
    if pictures is None or expected is None or expected.shape != (len(pictures), classes):
        raise ModelError(f"{folder / description.self_test.file} is no self-test of this model.")
    return pictures, expected


def _write(path: Path, tensors: StateDict) -> BundleFile:
    data = safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
    path.write_bytes(data)
    return BundleFile(file=path.name, sha256=_sha256(data))


def _read_tensors(folder: Path, file: BundleFile) -> StateDict:
    path = folder / file.file
    if path.parent != folder:
        raise ModelError(f"{folder / DESCRIPTION} names a file outside its folder.")
    try:
        return safetensors.torch.load(_read(path, file.sha256))
    except SafetensorError as error:
        raise ModelError(f"{path} holds no tensors: {error}.") from None


def _read(path: Path, expected_sha256: str | None = None) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    if expected_sha256 is not None and _sha256(data) != expected_sha256:
        raise ModelError(
            f"{path} is not the file that was promoted: its sha256 is {_sha256(data)[:12]}..., "
            f"expected {expected_sha256[:12]}.... Promote the model again."
        )
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
