"""Find the strength of a head's regularisation by a cross-validation inside the training part.

Its parts have the same grouping as the folds outside. If these keep data providers together, the
strength is the best one for providers that a head has not seen.

The criterion is the loss at the best temperature and biases, with the weights that heads are fitted
with. The plain loss has two faults. It penalises strong heads for low probabilities, which
calibration corrects later. And it penalises heads that expect the category frequencies of the known
providers. Measured on 1,928 photographs of three museums, each tested with heads of the other two,
on features of a MobileNetV2 and of an EfficientNet-Lite0, without class weights: the criterion
leads to a macro F1 of 0.59 and 0.59. The plain loss leads to 0.46 and 0.44. Macro F1 as the
criterion jumps with single pictures, and leads to 0.57 and 0.58. No fixed strength is better than
0.59 and 0.59. These figures chose the criterion among eleven, so they are a little too good. With
class weights, or with parts by picture, the differences between criteria are smaller than chance.

Strengths are tried from strong to weak until the criterion is clearly worse. Each fit starts from
the heads of the strength before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from common.vision.kinds import Kind
from trainer.data.split import Division, Indices
from trainer.learning.head import CLOSE, Lesson, Points, Weights, example_loss, fit_heads
from trainer.learning.optimisation import Objective, share_right
from trainer.settings import ClassWeights

STRENGTHS = tuple(float(f"{0.01 / 5**step:.1g}") for step in range(8))
"""From strong to weak; for embeddings of length 1."""

FINAL = 1e-6  # like `CLOSE` of the search, for the head that is saved
WORSE = 1.01  # times the best loss; after a worse one no weaker strength is tried
_LOG_SCALES = (-3.0, 5.0)  # of logits; heads without mistakes have no best scale


@dataclass(frozen=True, kw_only=True, eq=False)
class Learning:
    """What all heads of a training share; `weights` (n,) are how much each example counts."""

    kind: Kind
    class_weights: ClassWeights
    weights: NDArray[np.float64] | None = None

    def lesson(self, rows: Indices, targets: torch.Tensor) -> Lesson:
        """The lesson of some of the examples; `targets` are float32 (n, classes), for all."""
        weights = None if self.weights is None else self.weights[rows]
        return Lesson.of(rows, targets, self.kind, self.class_weights, weights=weights)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A strength that was tried, and the scores of its heads on examples that they have not seen.

    `loss` is at the best temperature and biases. `accuracy` is the share of examples whose
    categories are all predicted correctly.
    """

    strength: float
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """The trials of a search, and the heads of the best one.

    `logits` (n, classes) of each example come from the head that has not seen it. `judged` (n,) is
    true if that head had examples of all categories of the example.
    """

    trials: tuple[Trial, ...]
    weights: Weights
    logits: torch.Tensor
    judged: torch.Tensor

    @property
    def best(self) -> Trial:
        return min(self.trials, key=lambda trial: trial.loss)

    def head(
        self, points: Points, targets: torch.Tensor, learned: Indices, how: Learning
    ) -> NDArray[np.float64]:
        """The head (classes, dimension + 1) of the best strength that learns from some examples."""
        lesson = how.lesson(learned, targets)
        start = self.weights.mean(axis=0, keepdims=True)
        strength = self.best.strength
        (weights,) = fit_heads(points, [lesson], strength=strength, start=start, close=FINAL)
        return np.asarray(weights)


def find_strength(
    points: Points, targets: torch.Tensor, divisions: Sequence[Division], how: Learning
) -> Search:
    """Search for the best strength for targets float32 (n, classes) of points (n, dimension)."""
    lessons = _lessons(targets, divisions, how)
    objective = Objective.of(targets, how.kind, how.class_weights)
    trials: list[Trial] = []
    weights: Weights | None = None
    best: Search | None = None
    for strength in STRENGTHS:
        weights = fit_heads(points, lessons, strength=strength, start=weights)
        logits, judged = _judge(points, targets, divisions, lessons, weights)
        predicted, true = logits[judged], targets[judged]
        loss = _criterion(objective, predicted, true)
        accuracy = share_right(predicted, true, how.kind)
        trials.append(Trial(strength=strength, loss=loss, accuracy=accuracy))
        lowest = min(trial.loss for trial in trials)
        if loss > WORSE * lowest:
            break
        if best is None or loss == lowest:
            best = Search(trials=(), weights=weights, logits=logits, judged=judged)
    assert best is not None
    return replace(best, trials=tuple(trials))


def search_without(
    search: Search,
    points: Points,
    targets: torch.Tensor,
    divisions: Sequence[Division],
    how: Learning,
) -> Search:
    """The search with its best heads retrained on the present `rest` of the divisions."""
    lessons = _lessons(targets, divisions, how)
    strength = search.best.strength
    weights = fit_heads(points, lessons, strength=strength, start=search.weights)
    logits, judged = _judge(points, targets, divisions, lessons, weights)
    return replace(search, weights=weights, logits=logits, judged=judged)


def fit_members(
    search: Search,
    points: Points,
    targets: torch.Tensor,
    divisions: Sequence[Division],
    how: Learning,
) -> Weights:
    """Heads of the best strength, each from the `rest` of a division."""
    lessons = _lessons(targets, divisions, how)
    start = np.repeat(search.weights.mean(axis=0, keepdims=True), len(lessons), axis=0)
    return fit_heads(points, lessons, strength=search.best.strength, start=start)


def _lessons(targets: torch.Tensor, divisions: Sequence[Division], how: Learning) -> list[Lesson]:
    return [how.lesson(each.rest, targets) for each in divisions]


def _judge(
    points: Points,
    targets: torch.Tensor,
    divisions: Sequence[Division],
    lessons: Sequence[Lesson],
    weights: Weights,
) -> tuple[torch.Tensor, torch.Tensor]:
    of_all = points.logits(weights)
    logits, judged = torch.empty_like(targets), torch.empty(len(targets), dtype=torch.bool)
    for head, (division, lesson) in enumerate(zip(divisions, lessons, strict=True)):
        rows = torch.from_numpy(division.test)
        logits[rows] = of_all[rows, head]
        judged[rows] = ~targets[rows][:, ~lesson.known].any(dim=1)
    return logits, judged


def _criterion(objective: Objective, logits: torch.Tensor, targets: torch.Tensor) -> float:
    """The loss at the best temperature and biases."""

    def loss(scale_and_biases: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        leaf = torch.from_numpy(scale_and_biases).float().requires_grad_()
        value = example_loss(objective, logits * leaf[0].exp() + leaf[1:], targets)
        (slope,) = torch.autograd.grad(value, leaf)
        return value.item(), slope.double().numpy()

    classes = targets.shape[1]
    found = minimize(
        loss,
        np.zeros(1 + classes),
        jac=True,
        method="L-BFGS-B",
        bounds=[_LOG_SCALES, *[(None, None)] * classes],
        options={"ftol": CLOSE, "gtol": 0.0},
    )
    return float(found.fun)
