"""Optimisation: the loss of a training step, the learning rates, and which weights change.

A classifier that starts from given weights is trained in two phases. First only the new head is
trained, since the first steps of a random head would spoil the other weights. Then everything is
trained. Lower layers have lower rates, since their features are more general.

Targets are float32 (n, classes), the losses take logits. A single-label classifier is trained by
cross-entropy, a multi-label one by binary cross-entropy of each category. Class weights multiply
the loss of an example. PyTorch's own class weights of cross-entropy do not fit: with label
smoothing they give rare categories too much weight. This cost 0.03 of macro F1 on photographs of
three museums.
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

from common.vision.kinds import Kind
from common.vision.network import LoadedWeights
from trainer.settings import MIN_SIZE, ClassWeights, TrainingSettings

POWERS: dict[ClassWeights, float] = {"none": 0.0, "sqrt": 0.5, "inverse": 1.0}
MAX_POSITIVE_WEIGHT = 10.0  # with more, one example in thousands would dominate a category
WARM_UP = 0.05  # of all steps
WEIGHT_DECAY = 0.02
STAGES = 8  # groups of layers below the head, each with its own learning rate


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The loss, with class weights (classes,) and the prior (classes,) for label smoothing."""

    kind: Kind
    weights: torch.Tensor
    prior: torch.Tensor

    @classmethod
    def of(cls, targets: torch.Tensor, kind: Kind, class_weights: ClassWeights) -> "Objective":
        weigh = category_weights if kind == "single" else positive_weights
        classes = targets.shape[1]
        even = torch.full((classes,), 1 / classes)
        return cls(
            kind=kind,
            weights=weigh(targets, POWERS[class_weights]).to(targets.device),
            prior=(even if kind == "single" else targets.mean(0)).to(targets.device),
        )

    def to(self, device: torch.device) -> "Objective":
        return Objective(
            kind=self.kind, weights=self.weights.to(device), prior=self.prior.to(device)
        )

    def loss(
        self, logits: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0
    ) -> torch.Tensor:
        """The mean loss of float32 logits (n, classes).

        Label smoothing blends the targets with the prior: equal shares of all categories if a
        picture has one, the frequency of each category if it may have several.
        """
        return self.losses(logits, targets, smoothing=smoothing).mean()

    def losses(
        self, logits: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0
    ) -> torch.Tensor:
        """The loss (n,) of each example; arguments as for `loss`."""
        soft = torch.lerp(targets, self.prior.expand_as(targets), smoothing)
        if self.kind == "single":
            each = functional.cross_entropy(logits, soft, reduction="none")
            return targets @ self.weights * each
        of_all = functional.binary_cross_entropy_with_logits(
            logits, soft, pos_weight=self.weights, reduction="none"
        )
        return of_all.mean(dim=1)


def category_weights(targets: torch.Tensor, power: float) -> torch.Tensor:
    """Weights (classes,): inverse frequencies to a power, with mean 1 over the examples."""
    counts = targets.sum(0).clamp(min=1)
    weights = (1 / counts) ** power
    return weights * counts.sum() / (weights * counts).sum()


def positive_weights(targets: torch.Tensor, power: float) -> torch.Tensor:
    """Weights (classes,) of examples in a category; those outside have weight 1."""
    counts = targets.sum(0).clamp(min=1)
    odds_against = (len(targets) - counts).clamp(min=1) / counts
    return (odds_against**power).clamp(1 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)


def share_right(logits: torch.Tensor, targets: torch.Tensor, kind: Kind) -> float:
    """The share of examples whose categories are all predicted correctly."""
    if kind == "single":
        right = logits.argmax(1) == targets.argmax(1)
    else:
        right = ((logits > 0) == (targets > 0.5)).all(1)
    return right.float().mean().item()


@dataclass(frozen=True, kw_only=True)
class Phase:
    """The phase of an epoch: head alone, small pictures, or full size.

    `done` of `epochs` are finished, counted within the head's epochs or within all others.
    `size` is the side of the pictures in pixels.
    """

    head_only: bool
    done: int
    epochs: int
    size: int

    @classmethod
    def of(cls, number: int, settings: TrainingSettings) -> Self:
        """The phase of an epoch; epochs count from 1."""
        head_only = number <= settings.head_epochs
        epochs = settings.head_epochs if head_only else settings.epochs
        done = number - 1 if head_only else number - 1 - settings.head_epochs
        small = head_only or done < settings.epochs // 2
        size = max(MIN_SIZE, round(settings.input_size * settings.start_scale))
        return cls(
            head_only=head_only,
            done=done,
            epochs=epochs,
            size=size if small else settings.input_size,
        )

    def learning_rate(self, step: int, steps: int, settings: TrainingSettings) -> float:
        """The learning rate of a step of the epoch; one schedule covers the whole phase."""
        return learning_rate(
            self.done * steps + step, self.epochs * steps, highest=settings.learning_rate
        )


def head_of(classifier: nn.Module, weights: LoadedWeights | None) -> frozenset[str]:
    """The names of the new parameters; those of the last layer if none or all are new."""
    names = [name for name, _ in classifier.named_parameters()]
    new = frozenset(names).intersection(weights.missing if weights else ())
    layer = names[-1].rpartition(".")[0] + "."
    return new or frozenset(name for name in names if name.startswith(layer))


def build_optimizer(
    classifier: nn.Module, head: Collection[str], settings: TrainingSettings
) -> torch.optim.Optimizer:
    """AdamW with parameter groups, the head last, each with its `share` of the rate."""
    named = list(classifier.named_parameters())
    body = [parameter for name, parameter in named if name not in head]
    size = max(1, math.ceil(len(body) / STAGES))
    groups = [
        {
            "params": body[start : start + size],
            "share": settings.lowest_rate ** (1 - stage / STAGES),
        }
        for stage, start in enumerate(range(0, len(body), size))
    ]
    groups.append({"params": [parameter for name, parameter in named if name in head], "share": 1})
    return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def train_mode(classifier: nn.Module, optimizer: torch.optim.Optimizer, *, head_only: bool) -> None:
    """Put a classifier into training mode; with `head_only`, all layers below its head are frozen.

    A frozen batch norm also keeps its statistics, since the frozen features depend on them.
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
    """The moving average of weights and batch norm statistics; None if decay is 0."""
    if decay == 0:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(classifier, multi_avg_fn=average, use_buffers=True)


def learning_rate(step: int, steps: int, *, highest: float) -> float:
    """The learning rate of a step: linear warm-up, then half a cosine down to 0."""
    rising = max(1, round(WARM_UP * steps))
    if step < rising:
        return highest * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return highest * (1 + math.cos(math.pi * done)) / 2
