"""By provider: how good a model is on each data provider that its folds left out.

The intervals are those of Clopper and Pearson, as if the pictures of a provider were independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.scoring.predictions import Targets
from trainer.scoring.proof import ERROR, Interval, interval

ENOUGH = round(1 / ERROR) - 1  # left-out providers, of which the worst says something of a new one


@dataclass(frozen=True, kw_only=True)
class ProviderScores:
    """Of a provider's pictures: those given exactly the true categories, and those with a written
    concept. `statements` are the written concepts; `right` counts those that are right.

    `f1` is the macro average over the categories that the provider has pictures of.
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
    """The scores of each provider, those with most pictures first.

    Args:
        providers: that of each picture (n,); pictures without one do not count.
        targets: the true categories (n, classes).
        predicted: those that are asserted.
        written: those that would be written.
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
        f"With fewer than {ENOUGH} left-out providers that is too likely to promise anything."
        if count < ENOUGH
        else "That is about its accuracy, not of the precision of a concept."
    )
    return (
        "Nothing is promised for providers that a model did not learn from. A new one such as "
        f"these {count:,} does worse than the worst of them ({worst}, accuracy "
        f"{scores[worst].accuracy:.2f}) with a probability of 1 in {count + 1:,}. {enough} The way "
        "to a promise is an audit of the new provider."
    )
