"""The objective: what a classifier is told to make small, for one category a picture or several.

Targets are float32 (n, classes). A single-label classifier learns by cross-entropy, a multi-label
one by binary cross-entropy of every category; both are given logits.

Class weights say how much an example counts, not how much a mistake towards a category does. With
PyTorch's own weights of cross-entropy, smoothing, which gives every category a share, would give
the rare ones more than their share: on three museums' photographs that cost 0.03 of macro F1.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from common.vision.model import Kind
from trainer.learning.settings import ClassWeights

POWERS: dict[ClassWeights, float] = {"none": 0.0, "sqrt": 0.5, "inverse": 1.0}
MAX_POSITIVE_WEIGHT = 10.0  # else the one example of a category in thousands decides its steps


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Class weights (classes,), the labels' frequencies as a prior (classes,), and the loss."""

    kind: Kind
    weights: torch.Tensor
    prior: torch.Tensor

    @classmethod
    def of(cls, targets: torch.Tensor, kind: Kind, class_weights: ClassWeights) -> "Objective":
        """The objective for training targets (n, classes)."""
        weigh = category_weights if kind == "single" else positive_weights
        classes = targets.shape[1]
        even = torch.full((classes,), 1 / classes)
        return cls(
            kind=kind,
            weights=weigh(targets, POWERS[class_weights]).to(targets.device),
            prior=(even if kind == "single" else targets.mean(0)).to(targets.device),
        )

    def to(self, device: torch.device) -> "Objective":
        """The same on a device."""
        return Objective(
            kind=self.kind, weights=self.weights.to(device), prior=self.prior.to(device)
        )

    def loss(
        self, logits: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0
    ) -> torch.Tensor:
        """The mean loss of float32 logits (n, classes).

        Smoothing moves the targets that far towards the prior: even odds of all categories where
        a picture has one, the frequency of each category where it may have several.
        """
        soft = torch.lerp(targets, self.prior.expand_as(targets), smoothing)
        if self.kind == "single":
            each = functional.cross_entropy(logits, soft, reduction="none")
            return (targets @ self.weights * each).mean()
        return functional.binary_cross_entropy_with_logits(logits, soft, pos_weight=self.weights)


def category_weights(targets: torch.Tensor, power: float) -> torch.Tensor:
    """Weights (classes,): inverse frequencies to a power, 1 in the mean over the examples."""
    counts = targets.sum(0).clamp(min=1)
    weights = (1 / counts) ** power
    return weights * counts.sum() / (weights * counts).sum()


def positive_weights(targets: torch.Tensor, power: float) -> torch.Tensor:
    """Weights (classes,) of examples in a category, against 1 of those outside."""
    counts = targets.sum(0).clamp(min=1)
    odds_against = (len(targets) - counts).clamp(min=1) / counts
    return (odds_against**power).clamp(1 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)


def share_right(logits: torch.Tensor, targets: torch.Tensor, kind: Kind) -> float:
    """The share of examples whose categories are all told right."""
    if kind == "single":
        right = logits.argmax(1) == targets.argmax(1)
    else:
        right = ((logits > 0) == (targets > 0.5)).all(1)
    return right.float().mean().item()
