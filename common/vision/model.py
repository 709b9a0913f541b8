"""The model: a promoted bundle, checked and loaded.

A bundle is a folder. It holds the weights of each member of the ensemble as safetensors, pictures
with the probabilities that the model gave when it was promoted (the self-test), and pictures to
calibrate int8 runtimes. Its `model.json` holds the rest that a worker needs, and the sha256 of each
file. The sha256 of a bundle is that of its `model.json`. So it covers every byte of the bundle, and
it is checked before anything is loaded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import nn

from common.errors import ModelError, UsageError
from common.vision.bundle import (
    DESCRIPTION,
    BundleFile,
    Description,
    parse_description,
    read_checked,
    read_tensors,
    sha256_of,
    write_tensors,
)
from common.vision.network import StateDict, build_classifier
from common.vision.preprocessing import Normalisation

__all__ = [
    "DESCRIPTION",
    "Description",
    "Model",
    "Prediction",
    "Predictor",
    "bundle_sha256",
    "load_bundle",
    "read_description",
    "save_bundle",
]

SELF_TEST = "self_test.safetensors"
SELF_TEST_FEW = 64  # pictures, at most, that are tested wherever the model is loaded
CALIBRATION = "calibration.safetensors"
_EXAMPLE_BYTES = 256 << 20  # of a file of pictures, at most; a promotion takes 40 MiB for all
_SPARE = 2  # how many times its own bytes a network's file may have; float64 takes twice float32
REFERENCE_BATCH = 32  # pictures that the reference computes at a time; bounds the memory
SELF_TEST_TOLERANCE = 1e-3  # of a probability; float32 differs by about 1e-6 between machines


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A concept of a picture, with its probability."""

    concept_uri: str
    confidence: float


class Predictor(nn.Module):
    """uint8 pictures (n, 3, size, size) to float32 probabilities (n, classes).

    They are the mean over the members of an ensemble, each with its own softmax or sigmoid.
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
    """A bundle in memory: its description and its classifiers.

    `self_test_pictures` are uint8 (n, 3, size, size), shuffled, so that the first ones already have
    all categories. `self_test_expected` are their probabilities (n, classes) at promotion.
    `calibration_pictures` are other pictures of the same data; an older bundle has none.
    """

    description: Description
    predictor: Predictor
    sha256: str
    self_test_pictures: torch.Tensor
    self_test_expected: NDArray[np.float32]
    calibration_pictures: torch.Tensor

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """The reference: uint8 pictures (n, 3, size, size) to float32 (n, classes), on the CPU.

        Workers use a runtime instead, which must agree with this.
        """
        with torch.inference_mode():
            parts = torch.split(batch, REFERENCE_BATCH)
            found = [self.predictor(part).numpy() for part in parts]
        return np.concatenate(found)

    def self_test(
        self,
        compute: Callable[[torch.Tensor], NDArray[np.float32]],
        *,
        tolerance: float = SELF_TEST_TOLERANCE,
    ) -> None:
        """Compare the probabilities of the first self-test pictures with those at promotion.

        Args:
            compute: `probabilities` of this model, or of the runtime that will serve it.
            tolerance: how much a probability may differ; less precise runtimes need more.

        Raises:
            ModelError: a probability differs by more.
        """
        found = compute(self.self_test_pictures[:SELF_TEST_FEW])
        differences = np.abs(found - self.self_test_expected[:SELF_TEST_FEW])
        differences = differences.max(axis=1, initial=0.0)
        wrong = int((~(differences <= tolerance)).sum())  # NaN counts as wrong
        if wrong:
            raise ModelError(
                f"The model fails its self-test: for {wrong} of {len(found)} pictures it gives "
                f"other probabilities than at promotion, by up to {differences.max():.2g} where "
                f"{tolerance:g} is allowed. It was promoted with torchvision "
                f"{self.description.torchvision}, here is {torchvision.__version__}."
            )

    def predictions(self, probabilities: NDArray[np.float32]) -> list[Prediction]:
        """The concepts to write for a picture, from its probabilities (classes,), sorted by them.

        A concept is written if its probability reaches its threshold. The promised precision was
        measured for this rule, and holds for no other.
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
    *,
    self_test: torch.Tensor | None = None,
    calibration: torch.Tensor | None = None,
) -> str:
    """Write a bundle into a new folder and return its sha256.

    The files that `description` names are replaced by the written ones.

    Args:
        self_test: uint8 pictures (n, 3, size, size).
        calibration: others of the same shape, none of them in the self-test.

    Raises:
        ModelError: the weights do not fit the description.
    """
    folder.mkdir(parents=True)
    listed = tuple(
        write_tensors(folder / f"member_{number}.safetensors", state)
        for number, state in enumerate(members)
    )
    complete = replace(description, members=listed, self_test=None, calibration=None)
    if self_test is not None:
        expected = torch.from_numpy(_load(folder, complete, sha256="").probabilities(self_test))
        file = write_tensors(folder / SELF_TEST, {"pictures": self_test, "expected": expected})
        complete = replace(complete, self_test=file)
    if calibration is not None:
        file = write_tensors(folder / CALIBRATION, {"pictures": calibration})
        complete = replace(complete, calibration=file)
    text = complete.to_json().encode()
    (folder / DESCRIPTION).write_bytes(text)
    return sha256_of(text)


def bundle_sha256(folder: Path) -> str:
    """The sha256 of a bundle that is not in a store.

    Raises:
        ModelError: there is no bundle.
    """
    return sha256_of(read_checked(folder / DESCRIPTION))


def load_bundle(folder: Path, expected_sha256: str) -> Model:
    """The model of a bundle, on the CPU, after checking every byte of the bundle.

    Raises:
        ModelError: a file is missing or was changed, or the files do not fit together.
    """
    return _load(folder, read_description(folder, expected_sha256), sha256=expected_sha256)


def read_description(folder: Path, expected_sha256: str) -> Description:
    """The description of a bundle, without loading its weights.

    Raises:
        ModelError: `model.json` is missing, was changed, or is damaged.
    """
    text = read_checked(folder / DESCRIPTION, expected_sha256)
    return parse_description(text)


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
        calibration_pictures=_load_calibration(folder, description),
    )


def _load_member(folder: Path, member: BundleFile, description: Description) -> nn.Module:
    try:
        classifier = build_classifier(
            description.architecture,
            classes=len(description.labels),
            size=description.preprocessing.size,
        )
        state = classifier.state_dict()
        own = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
        classifier.load_state_dict(read_tensors(folder, member, at_most=_SPARE * own))
    except (RuntimeError, ValueError, AssertionError, UsageError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{folder / member.file} does not fit {description.architecture} with "
            f"{len(description.labels)} classes: {reason}"
        ) from error
    return classifier


def _load_self_test(folder: Path, description: Description) -> tuple[torch.Tensor, torch.Tensor]:
    size, classes = description.preprocessing.size, len(description.labels)
    if description.self_test is None:
        return torch.zeros((0, 3, size, size), dtype=torch.uint8), torch.zeros((0, classes))
    tensors = read_tensors(folder, description.self_test, at_most=_EXAMPLE_BYTES)
    pictures, expected = tensors.get("pictures"), tensors.get("expected")
    if (
        not _are_pictures(pictures, size)
        or expected is None
        or expected.dtype != torch.float32
        or expected.shape != (len(pictures), classes)
    ):
        raise ModelError(f"{folder / description.self_test.file} is no self-test of this model.")
    return pictures, expected


def _load_calibration(folder: Path, description: Description) -> torch.Tensor:
    size = description.preprocessing.size
    if description.calibration is None:
        return torch.zeros((0, 3, size, size), dtype=torch.uint8)
    tensors = read_tensors(folder, description.calibration, at_most=_EXAMPLE_BYTES)
    pictures = tensors.get("pictures")
    if not _are_pictures(pictures, size):
        raise ModelError(f"{folder / description.calibration.file} does not fit this model.")
    return pictures


def _are_pictures(tensor: torch.Tensor | None, size: int) -> TypeGuard[torch.Tensor]:
    return (
        tensor is not None
        and tensor.dtype == torch.uint8
        and tensor.ndim == 4
        and tensor.shape[1:] == (3, size, size)
    )
