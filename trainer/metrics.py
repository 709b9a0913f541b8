"""How good predictions are: computed from the probabilities of all test examples at once."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]

AVERAGED = ("accuracy", "precision", "recall", "f1")


@dataclass(frozen=True, kw_only=True)
class CategoryMetrics:
    """Of one category; `support` counts its examples."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Of all categories; precision, recall and f1 are means over them, each weighing the same.

    `confusion` counts examples: a row for each true category, a column for each predicted one.
    """

    examples: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    categories: dict[str, CategoryMetrics]
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """The members as JSON has them."""
        return asdict(self)

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> "Metrics":
        """The metrics that `to_json` wrote."""
        categories = {name: CategoryMetrics(**m) for name, m in members["categories"].items()}
        return cls(**members | {"categories": categories})


def measure(labels: Labels, probabilities: Probabilities, categories: tuple[str, ...]) -> Metrics:
    """Compare labels (n,) with the most probable category of each row of (n, classes)."""
    predicted = probabilities.argmax(axis=1)
    positions = np.arange(len(categories))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=positions, zero_division=0.0
    )
    return Metrics(
        examples=len(labels),
        accuracy=float((predicted == labels).mean()),
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        f1=float(f1.mean()),
        categories={
            category: CategoryMetrics(
                precision=float(precision[i]),
                recall=float(recall[i]),
                f1=float(f1[i]),
                support=int(support[i]),
            )
            for i, category in enumerate(categories)
        },
        confusion=confusion_matrix(labels, predicted, labels=positions).tolist(),
    )
