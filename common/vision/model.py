"""The model: what a promoted bundle says of a picture.

A model is a whole network, or heads on an encoder. A runtime computes what `served` describes, the
network's probabilities or the encoder's embeddings; `Answering` makes answers of both.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from common.errors import ModelError
from common.vision.answers.answering import Answering, Answers
from common.vision.answers.heads import halved
from common.vision.bundle import Description
from common.vision.network import EmbeddingHead, FeaturesToo, HeadedNetwork
from common.vision.served import Rows, Served, ServedNetwork

Compute = Callable[[torch.Tensor], Rows]
"""uint8 pictures (n, 3, size, size) on the CPU to a row for each of them."""

SELF_TEST_FEW = 64  # pictures, at most, that are tested wherever the model is loaded
SELF_TEST_TOLERANCE = 1e-3  # of a probability; float32 differs by about 1e-6 between machines


class Predictor(ServedNetwork):
    """Probabilities: the mean over the members of an ensemble, each with its softmax or sigmoid.

    If the model has a likeness, the features of the first member follow, of length 1.
    """

    def __init__(self, members: list[nn.Module], description: Description) -> None:
        if description.likeness is not None:
            members = [FeaturesToo(members[0]), *members[1:]]
        super().__init__(members, description.preprocessing)
        self._single = description.kind == "single"
        self._temperature = description.temperature
        self._has_features = description.likeness is not None

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if not self._has_features:
            return super().forward(batch)
        pictures = self.normalised(batch)
        (logits, features), *others = [member(pictures) for member in self.members]
        answers = torch.stack([logits, *others]).float()
        features = functional.normalize(features.float(), dim=1)
        return torch.cat([self.finish(answers), features], dim=1)

    def finish(self, answers: torch.Tensor) -> torch.Tensor:
        """Logits (members, n, classes) to probabilities (n, classes)."""
        scaled = answers / self._temperature
        return (scaled.softmax(-1) if self._single else scaled.sigmoid()).mean(0)


def served_classifier(members: list[nn.Module], description: Description, *, sha256: str) -> Served:
    return Served(
        title=description.architecture,
        sha256=sha256,
        size=description.preprocessing.size,
        network=Predictor(members, description),
    )


@dataclass(frozen=True, kw_only=True)
class Model:
    """A bundle in memory.

    `self_test_pictures` are uint8 (n, 3, size, size), shuffled, so that the first ones already have
    all categories. `self_test_expected` are their probabilities (n, classes) at promotion.
    """

    answering: Answering
    served: Served
    sha256: str
    self_test_pictures: torch.Tensor
    self_test_expected: NDArray[np.float32]

    @property
    def description(self) -> Description:
        return self.answering.description

    def answers(self, rows: Rows) -> Answers:
        """The answers, from what a runtime computed.

        Raises:
            ValueError: an embedding is zero or not finite.
        """
        return self.answering.answers(halved(rows) if self.answering.heads else rows)

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """The reference: uint8 pictures (n, 3, size, size) to float32 (n, classes), on the CPU."""
        return self.answers(self.served.rows(batch)).probabilities

    def answers_by(self, compute: Compute) -> Callable[[torch.Tensor], Answers]:
        return lambda batch: self.answers(compute(batch))

    def classifiers(self) -> list[nn.Module]:
        """The networks from normalised pictures to logits, one for each member of the ensemble.

        Those of a model on an encoder share its weights, and their heads are where it is.
        """
        networks = [
            each.classifier if isinstance(each, FeaturesToo) else each
            for each in self.served.network.members
        ]
        heads = self.answering.heads
        if heads is None:
            return networks
        (encoder,) = networks
        device = next(encoder.parameters()).device
        return [
            HeadedNetwork(encoder, EmbeddingHead(each.weights, each.bias).to(device))
            for each in heads.heads
        ]

    def self_test(
        self,
        compute: Compute,
        *,
        tolerance: float = SELF_TEST_TOLERANCE,
    ) -> None:
        """Compare the probabilities of the first self-test pictures with those at promotion.

        Args:
            compute: what gives the rows, such as the runtime that will serve the model.
            tolerance: how much a probability may differ; less precise runtimes need more.

        Raises:
            ModelError: a probability differs by more.
        """
        pictures = self.self_test_pictures[:SELF_TEST_FEW]
        few = self.self_test_expected[:SELF_TEST_FEW]
        found = self.answers(compute(pictures)).probabilities if len(pictures) else few
        differences = np.abs(found - few).max(axis=1, initial=0.0)
        wrong = int((~(differences <= tolerance)).sum())  # NaN counts as wrong
        if wrong:
            raise ModelError(
                f"The model fails its self-test: for {wrong} of {len(found)} pictures it gives "
                f"other probabilities than at promotion, by up to {differences.max():.2g} but "
                f"at most {tolerance:g} is allowed. It was promoted with torchvision "
                f"{self.description.torchvision}; this machine has {torchvision.__version__}."
            )
