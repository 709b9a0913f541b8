"""The loss of a training step, and how it changes the weights: which of them, and how fast.

A classifier that starts from given weights learns in two steps. The new head learns first, on
features that stay as they are; otherwise the random head's first steps would spoil them. Then
everything learns, lower layers more slowly, since what they see is more general.

Targets are float32 (n, classes). A single-label classifier learns by cross-entropy, a multi-label
one by binary cross-entropy of every category; both are given logits. Class weights say how much an
example counts, not how much a mistake towards a category does. With PyTorch's own weights of
cross-entropy, label smoothing gives rare categories more than their share: on three museums'
photographs that cost 0.03 of macro F1.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from common.vision.model import Kind
from common.vision.network import LoadedWeights
from trainer.settings import MIN_SIZE, ClassWeights, TrainingConfig

POWERS: dict[ClassWeights, float] = {"none": 0.0, "sqrt": 0.5, "inverse": 1.0}
MAX_POSITIVE_WEIGHT = 10.0  # else the one example of a category in thousands decides its steps
WARM_UP = 0.05  # of all steps
WEIGHT_DECAY = 0.02
STAGES = 8  # groups of layers with a rate of their own, below the head


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


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Where in the training an epoch stands: the head's epochs, the small pictures', the rest.

    `done` of `epochs` are behind it, counted from where the head's or everything's began.
    """

    head_only: bool
    done: int
    epochs: int
    size: int

    @classmethod
    def of(cls, number: int, config: TrainingConfig) -> Self:
        """The phase of an epoch, which counts from 1."""
        head_only = number <= config.head_epochs
        epochs = config.head_epochs if head_only else config.epochs
        done = number - 1 if head_only else number - 1 - config.head_epochs
        small = head_only or done < config.epochs // 2
        size = max(MIN_SIZE, round(config.input_size * config.start_scale))
        return cls(
            head_only=head_only, done=done, epochs=epochs, size=size if small else config.input_size
        )

    def learning_rate(self, step: int, steps: int, config: TrainingConfig) -> float:
        """The rate of one of an epoch's steps: one rise and one half cosine for the whole phase."""
        return learning_rate(
            self.done * steps + step, self.epochs * steps, highest=config.learning_rate
        )


def head_of(classifier: nn.Module, weights: LoadedWeights | None) -> frozenset[str]:
    """The names of the parameters that start new; those of the last layer where none or all do."""
    names = [name for name, _ in classifier.named_parameters()]
    new = frozenset(names).intersection(weights.missing if weights else ())
    layer = names[-1].rpartition(".")[0] + "."
    return new or frozenset(name for name in names if name.startswith(layer))


def build_optimizer(
    classifier: nn.Module, head: Collection[str], config: TrainingConfig
) -> torch.optim.Optimizer:
    """AdamW whose groups of parameters, the head last, carry their `share` of the rate."""
    named = list(classifier.named_parameters())
    body = [parameter for name, parameter in named if name not in head]
    size = max(1, math.ceil(len(body) / STAGES))
    groups = [
        {"params": body[start : start + size], "share": config.lowest_rate ** (1 - stage / STAGES)}
        for stage, start in enumerate(range(0, len(body), size))
    ]
    groups.append({"params": [parameter for name, parameter in named if name in head], "share": 1})
    return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def train_mode(classifier: nn.Module, optimizer: torch.optim.Optimizer, *, head_only: bool) -> None:
    """Put a classifier into training mode, whole or with everything below its head frozen.

    A frozen batch norm keeps its statistics too: they belong to the features.
    """
    *body, head = optimizer.param_groups
    for group in (*body, head):
        for parameter in group["params"]:
            parameter.requires_grad_(group is head or not head_only)
    classifier.train()
    for module in classifier.modules():
        if isinstance(module, _BatchNorm) and not any(p.requires_grad for p in module.parameters()):
            module.eval()


def average_of(classifier: nn.Module, decay: float) -> AveragedModel | None:
    """The exponential moving average of weights and batch norm statistics; decay 0: none."""
    if decay == 0:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(classifier, multi_avg_fn=average, use_buffers=True)


def learning_rate(step: int, steps: int, *, highest: float) -> float:
    """The rate of one of `steps` steps: linear warm-up over a share of them, then a half cosine."""
    rising = max(1, round(WARM_UP * steps))
    if step < rising:
        return highest * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return highest * (1 + math.cos(math.pi * done)) / 2
