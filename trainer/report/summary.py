"""The summary: all folds of a cross-validation together, for files, the store and the eye."""

import json
from dataclasses import replace

import numpy as np
from rich import box
from rich.table import Table

from common.files import write_atomically
from trainer.folds.experiment import Experiment, FoldResult
from trainer.report.page import write_report
from trainer.report.plots import plot_confusion, plot_reliability, save_png
from trainer.scoring.calibration import at_temperature, calibration, fit_temperature
from trainer.scoring.label_errors import doubtful_labels, write_doubts
from trainer.scoring.metrics import AVERAGED, SCORED, CategoryScores, Targets
from trainer.scoring.predictions import Predictions
from trainer.scoring.results import Spread
from trainer.scoring.results import Summary as Summary


def summarise(experiment: Experiment) -> Summary:
    """Bring the results of all folds together.

    Raises:
        ModelError: a fold is not finished, or damaged.
    """
    kind, results = experiment.dataset().kind, experiment.results()
    numbers = [result.fold for result in results]
    validation = Predictions.joined([experiment.validation_predictions(n) for n in numbers])
    test = Predictions.joined([experiment.predictions(n) for n in numbers])
    temperature = fit_temperature(validation.probabilities, validation.targets, kind)
    calibrated = at_temperature(test.probabilities, temperature, kind)
    return Summary(
        **{name: Spread.of([getattr(each.test, name) for each in results]) for name in AVERAGED},
        kind=kind,
        folds=len(results),
        examples=len(test.keys),
        majority=_majority(test.targets),
        categories={name: _category(name, results) for name in results[0].test.categories},
        confusion=np.sum([result.test.confusion for result in results], axis=0).tolist(),
        temperature=temperature,
        uncalibrated=calibration(test.probabilities, test.targets, kind),
        calibrated=calibration(calibrated, test.targets, kind),
    )


def _majority(targets: Targets) -> float:
    _, counts = np.unique(targets, axis=0, return_counts=True)
    return float(counts.max() / len(targets))


def _category(name: str, results: list[FoldResult]) -> CategoryScores[Spread]:
    parts = [result.test.categories[name] for result in results]
    return CategoryScores(
        **{score: Spread.of([getattr(part, score) for part in parts]) for score in SCORED},
        support=sum(part.support for part in parts),
    )


def write_summary(experiment: Experiment, summary: Summary) -> None:
    """Write `summary.json`, the plots, the doubtful labels and `report.html`."""
    folder, dataset = experiment.folder, experiment.dataset()
    parts = [experiment.predictions(number) for number in range(summary.folds)]
    test = Predictions.joined(parts)
    probabilities = at_temperature(test.probabilities, summary.temperature, dataset.kind)
    test = replace(test, probabilities=probabilities)
    doubts = doubtful_labels(test, dataset.kind)
    confusion = plot_confusion(summary.confusion, dataset.categories)
    save_png(folder / "confusion_matrix.png", confusion)
    reliability = plot_reliability(summary.uncalibrated, summary.calibrated)
    save_png(folder / "reliability.png", reliability)
    write_doubts(folder / "doubtful_labels.csv", doubts, test, dataset.categories)
    write_report(experiment, summary, test, doubts)
    write_atomically(folder / "summary.json", json.dumps(summary.to_json(), indent=2))


def overall_table(summary: Summary) -> Table:
    """Mean and deviation of the averaged metrics."""
    table = Table(
        title=f"{summary.folds} folds, {summary.examples:,} test predictions", box=box.SIMPLE
    )
    table.add_column("metric")
    table.add_column("mean ± deviation", justify="right")
    for title, spread in summary.averages().items():
        table.add_row(title, str(spread))
    before, after = summary.uncalibrated.error, summary.calibrated.error
    fitted = f"{before:.3f}, {after:.3f} at temperature {summary.temperature:.2f}"
    table.add_row("calibration error", fitted)
    table.add_row("accuracy of the majority category", f"{summary.majority:.3f}", style="dim")
    return table


def category_table(summary: Summary) -> Table:
    """How well each category is recognised, and what it is most often mistaken for."""
    table = Table(title="Categories", box=box.SIMPLE)
    table.add_column("category")
    for column in ("examples", "precision", "recall", "f1"):
        table.add_column(column, justify="right")
    table.add_column("mistaken for", no_wrap=True)
    for name, each in summary.categories.items():
        means = (f"{each.precision.mean:.3f}", f"{each.recall.mean:.3f}")
        mistake = summary.most_mistaken(name)
        table.add_row(name, f"{each.support:,}", *means, str(each.f1), mistake)
    return table
