"""How good a model is for each data provider that its folds left out.

The intervals are by Clopper and Pearson. They assume that a provider's pictures are independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.scoring.predictions import Targets
from trainer.scoring.proof import ERROR, Interval, interval

ENOUGH = round(1 / ERROR) - 1  # left-out providers, so that the worst of them predicts a new one


@dataclass(frozen=True, kw_only=True)
class ProviderScores:
    """`accurate` counts pictures with exactly the true categories, `written` those with a concept.

    `statements` counts the written concepts, `right` the correct ones. `f1` is the macro average
    over the categories that the provider has pictures of.
    """

    pictures: int
    accurate: int
    f1: float
    written: int
    statements: int
    right: int

    @property
    def accuracy(self) -> float:
        return self.accurate / self.pictures

    @property
    def accuracy_interval(self) -> Interval:
        return interval(self.accurate, self.pictures)

    @property
    def precision(self) -> float | None:
        return self.right / self.statements if self.statements else None

    @property
    def precision_interval(self) -> Interval:
        return interval(self.right, self.statements)


def scores_by_provider(
    providers: Sequence[str], *, targets: Targets, predicted: Targets, written: NDArray[np.bool_]
) -> dict[str, ProviderScores]:
    """The scores by provider; the provider with the most pictures comes first.

    Args:
        providers: the provider of each picture (n,); pictures without one do not count.
        targets: the true categories (n, classes).
        predicted: the predicted categories, without thresholds.
        written: the categories that the model would write.
    """
    names = np.array(providers)
    found = {}
    for provider in sorted(set(providers) - {""}):
        own = names == provider
        right = targets[own] & written[own]
        found[provider] = ProviderScores(
            pictures=int(own.sum()),
            accurate=int((predicted[own] == targets[own]).all(axis=1).sum()),
            f1=_macro_f1(targets[own], predicted[own]),
            written=int(written[own].any(axis=1).sum()),
            statements=int(written[own].sum()),
            right=int(right.sum()),
        )
    return dict(sorted(found.items(), key=lambda each: -each[1].pictures))


def _macro_f1(targets: Targets, predicted: Targets) -> float:
    from sklearn.metrics import f1_score

    present = np.flatnonzero(targets.any(axis=0))
    return float(f1_score(targets, predicted, labels=present, average="macro", zero_division=0.0))


def about_new_providers(scores: Mapping[str, ProviderScores]) -> str:
    count = len(scores)
    worst = min(scores, key=lambda provider: scores[provider].accuracy)
    enough = (
        (
            f"This risk is too high for a promise, because fewer than {ENOUGH} providers were "
            "left out."
        )
        if count < ENOUGH
        else "This is about the accuracy, not about the precision of a concept."
    )
    return (
        "The promise does not hold for providers that the model did not learn from. The "
        f"worst of these {count:,} is {worst}, with an accuracy of "
        f"{scores[worst].accuracy:.2f}. If a new provider is similar to these providers, its "
        f"accuracy is even lower with a probability of 1 in {count + 1:,}. {enough} To get a "
        "promise for a new provider, run an audit."
    )
