"""The summary: all folds of a cross-validation together, for files, the store and the eye."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from common.files import write_atomically
from trainer.experiment import Experiment, FoldResult
from trainer.metrics import AVERAGED
from trainer.plots import plot_confusion


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and standard deviation (of the sample) over the folds."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """The spread of one value a fold."""
        return cls(mean=float(np.mean(values)), deviation=float(np.std(values, ddof=1)))

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


@dataclass(frozen=True, kw_only=True)
class CategorySummary:
    """Of one category over the folds; `support` counts its examples in all of them."""

    precision: Spread
    recall: Spread
    f1: Spread
    support: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Of a cross-validation; `confusion` adds up the folds: each example once."""

    folds: int
    examples: int
    accuracy: Spread
    precision: Spread
    recall: Spread
    f1: Spread
    majority: float
    """The accuracy of always guessing the most common category."""
    categories: dict[str, CategorySummary]
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """The members as JSON has them."""
        return asdict(self)


def summarise(results: list[FoldResult]) -> Summary:
    """Bring the test results of all folds together."""
    tests = [result.test for result in results]
    confusion = np.sum([test.confusion for test in tests], axis=0)
    averaged = {name: Spread.of([getattr(test, name) for test in tests]) for name in AVERAGED}
    return Summary(
        folds=len(tests),
        examples=int(confusion.sum()),
        **averaged,
        majority=float(confusion.sum(axis=1).max() / confusion.sum()),
        categories={name: _category(name, results) for name in tests[0].categories},
        confusion=confusion.tolist(),
    )


def _category(name: str, results: list[FoldResult]) -> CategorySummary:
    parts = [result.test.categories[name] for result in results]
    return CategorySummary(
        precision=Spread.of([part.precision for part in parts]),
        recall=Spread.of([part.recall for part in parts]),
        f1=Spread.of([part.f1 for part in parts]),
        support=sum(part.support for part in parts),
    )


def write_summary(experiment: Experiment, summary: Summary) -> None:
    """Write `summary.json` and the plot of the confusion matrix."""
    plot_confusion(
        experiment.folder / "confusion_matrix.png", summary.confusion, tuple(summary.categories)
    )
    text = json.dumps(summary.to_json(), indent=2)
    write_atomically(experiment.folder / "summary.json", text)


def overall_table(summary: Summary) -> Table:
    """Mean and deviation of the averaged metrics."""
    table = Table(
        title=f"{summary.folds} folds, {summary.examples:,} test predictions", box=box.SIMPLE
    )
    table.add_column("metric")
    table.add_column("mean ± deviation", justify="right")
    for name in AVERAGED:
        title = name if name == "accuracy" else f"macro {name}"
        table.add_row(title, str(getattr(summary, name)))
    table.add_row("accuracy of the majority category", f"{summary.majority:.3f}", style="dim")
    return table


def category_table(summary: Summary) -> Table:
    """How well each category is recognised, and what it is most often mistaken for."""
    table = Table(title="Categories", box=box.SIMPLE)
    table.add_column("category")
    for column in ("examples", "precision", "recall", "f1"):
        table.add_column(column, justify="right")
    table.add_column("mistaken for", no_wrap=True)
    names = list(summary.categories)
    for row, name in enumerate(names):
        each = summary.categories[name]
        means = (f"{each.precision.mean:.3f}", f"{each.recall.mean:.3f}")
        numbers = (f"{each.support:,}", *means, str(each.f1))
        table.add_row(name, *numbers, _most_mistaken(names, summary.confusion[row], row))
    return table


def _most_mistaken(names: list[str], counts: list[int], row: int) -> str:
    count, other = max((count, i) for i, count in enumerate(counts) if i != row)
    return f"{names[other]} ({count / sum(counts):.0%})" if count else ""
