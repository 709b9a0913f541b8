"""Heads: regularised logistic regression on embeddings.

A head minimises the mean loss of an example plus half its strength times the squared length of all
weights; biases are free. If a picture has one category, all categories share a softmax. If it may
have several, each has its own regression, and all are fitted together. `C` of scikit-learn is 1 /
(strength x examples).

L-BFGS minimises the loss. It is quick if the curvature of the loss is about the same in every
direction. On embeddings the curvature is a thousand times larger in some directions than in others.
So embeddings are rotated onto their principal axes, which changes neither the loss nor the length
of weights. There the unit of each weight fits the curvature along its axis. Measured on 10,000
random embeddings, over strengths from 0.01 to 2e-5: 40 evaluations of the loss instead of 181, and
at weaker strengths it does not stop far from the minimum. The L-BFGS of PyTorch and of scipy need
the same number; with few pictures the arithmetic of scipy costs four times as much.

Several heads on the same embeddings are fitted at once, since reading the embeddings takes most of
the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from common.vision.answers.heads import Embeddings
from common.vision.kinds import Kind
from trainer.data.split import Indices
from trainer.learning.optimisation import Objective
from trainer.settings import ClassWeights

Weights = NDArray[np.float64]
"""Weights (heads, classes, dimension + 1) of several heads on points; the biases come last."""

CLOSE = 1e-5  # the fit ends at a step that lowers the loss of a head by less
MOST_STEPS = 500
_LEAST_BEND = 1e-4  # for a category without examples
_ENOUGH = 4096  # examples are enough to measure the curvature of the loss


@dataclass(frozen=True, eq=False)
class Points:
    """Embeddings on their principal axes: float32 (n, dimension), around `centre` (dimension,).

    The columns of `axes` (dimension, dimension) are the axes, `spread` (dimension,) is the variance
    along each.
    """

    values: torch.Tensor
    centre: torch.Tensor
    axes: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, embeddings: Embeddings) -> Self:
        values = torch.from_numpy(embeddings.astype(np.float32))
        centre = values.mean(dim=0)
        values -= centre
        spread, axes = torch.linalg.eigh((values.T @ values).double() / len(values))
        return cls(values @ axes.float(), centre, axes, spread.clamp(min=0))

    def rows(self, positions: Indices) -> Self:
        return replace(self, values=self.values[torch.from_numpy(positions)])

    def logits(self, weights: Weights) -> torch.Tensor:
        """Logits (n, heads, classes)."""
        return _logits(self.values, torch.from_numpy(weights).float())

    def on_embeddings(self, weights: NDArray[np.float64]) -> dict[str, torch.Tensor]:
        """A head (classes, dimension + 1) on points, as float32 `weight` and `bias` on embeddings.

        The weight is (classes, dimension), the bias (classes,).
        """
        turned = torch.from_numpy(weights)
        weight = turned[:, :-1] @ self.axes.T
        bias = turned[:, -1] - weight @ self.centre.double()
        return {"weight": weight.float(), "bias": bias.float()}


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """The input of one head: rows of the points (m,), and their targets (m, classes).

    `weights` (m,) are how much each row counts, with mean 1. If None, all count the same.
    """

    rows: torch.Tensor
    targets: torch.Tensor
    objective: Objective
    weights: torch.Tensor | None = None

    @classmethod
    def of(
        cls,
        rows: Indices,
        targets: torch.Tensor,
        kind: Kind,
        class_weights: ClassWeights,
        weights: NDArray[np.float64] | None = None,
    ) -> Self:
        """The lesson of some rows of targets float32 (n, classes), with any positive weights (m,).

        Class weights come from counts of examples, not from `weights`.
        """
        learned = targets[torch.from_numpy(rows)]
        shares = None if weights is None else torch.from_numpy(weights / weights.mean()).float()
        return cls(
            rows=torch.from_numpy(rows),
            targets=learned,
            objective=Objective.of(learned, kind, class_weights),
            weights=shares,
        )

    @property
    def known(self) -> torch.Tensor:
        """Which categories (classes,) have an example."""
        return self.targets.any(dim=0)

    def loss(self, logits: torch.Tensor) -> torch.Tensor:
        """The mean loss of an example; logits are those of all points, (n, classes)."""
        own = logits[self.rows]
        if self.weights is None:
            return example_loss(self.objective, own, self.targets)
        summed = _summed(self.objective, self.targets)
        return (self.weights * self.objective.losses(own, self.targets)).mean() * summed


def example_loss(objective: Objective, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean loss of an example; if it may have several categories, their losses are added."""
    return objective.loss(logits, targets) * _summed(objective, targets)


def _summed(objective: Objective, targets: torch.Tensor) -> int:
    """Over how many categories the loss of an example is summed."""
    return 1 if objective.kind == "single" else targets.shape[1]


def fit_heads(
    points: Points,
    lessons: Sequence[Lesson],
    *,
    strength: float,
    start: Weights | None = None,
    close: float = CLOSE,
) -> Weights:
    """Fit a head to each lesson, all at one strength of the regularisation.

    Args:
        start: weights near the result, such as those for a greater strength.
    """
    if start is None:
        classes, dimension = lessons[0].targets.shape[1], points.values.shape[1]
        start = np.zeros((len(lessons), classes, dimension + 1))
    steps = _steps(points, lessons, strength, start)
    scaled = (torch.from_numpy(start).float() / steps).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [scaled],
        max_iter=MOST_STEPS,
        tolerance_grad=0,
        tolerance_change=close * len(lessons),
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        weights = scaled * steps
        logits = _logits(points.values, weights)
        parts = [lesson.loss(logits[:, head]) for head, lesson in enumerate(lessons)]
        total = torch.stack(parts).sum() + strength / 2 * weights[..., :-1].square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return (scaled.detach() * steps).double().numpy()


def _logits(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    heads, classes, _ = weights.shape
    flat = weights.flatten(0, 1)
    return torch.addmm(flat[:, -1], values, flat[:, :-1].T).view(-1, heads, classes)


def _steps(
    points: Points, lessons: Sequence[Lesson], strength: float, start: Weights
) -> torch.Tensor:
    """The unit of each weight: 1 / root of the curvature of the loss along it."""
    single = lessons[0].objective.kind == "single"
    unsure = []
    for lesson, weights in zip(lessons, torch.from_numpy(start).float(), strict=True):
        few = lesson.rows[:: -(-len(lesson.rows) // _ENOUGH)]
        logits = _logits(points.values[few], weights[None])[:, 0]
        predicted = logits.softmax(dim=1) if single else logits.sigmoid()
        unsure.append((predicted * (1 - predicted)).mean(dim=0))
    bend = torch.stack(unsure).clamp(min=_LEAST_BEND)[:, :, None]
    along = bend * points.spread.float() + strength
    return torch.cat([along, bend], dim=2).rsqrt()
