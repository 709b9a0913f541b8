"""The results of a cross-validation: `summary.json`, tables and a report for a curator."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from common.files import write_atomically
from common.process.pages import data_uri, template_engine
from common.vision.encoders.licences import warning_about
from trainer.experiment import Experiment, FoldResult
from trainer.models.judged import shared_temperature
from trainer.report.gallery import ReportCards
from trainer.report.plots import (
    plot_confusion,
    plot_history,
    plot_reliability,
    plot_trials,
    save_png,
    svg,
)
from trainer.report.promotion import promotion_view
from trainer.scoring.calibration import at_temperature, calibration
from trainer.scoring.label_errors import Doubt, doubtful_labels, write_doubts
from trainer.scoring.metrics import AVERAGED, MEANINGS, SCORED, CategoryScores, Spread, Summary
from trainer.scoring.predictions import Predictions, Targets

TEMPLATE = "page.html.jinja"
MOST_IN_MATRIX = 40  # categories; a larger matrix is only a file
PICTURES = {
    "thumbnail": "Europeana's thumbnails",
    "media": "the providers' files",
    "mixed": "the providers' files or, if missing, Europeana's thumbnails",
    "folder": "",
}


def summarise(experiment: Experiment) -> Summary:
    """Raises:
    ModelError: a fold is not finished, or its files are damaged.
    """
    kind, results = experiment.dataset().kind, experiment.results()
    numbers = [result.fold for result in results]
    test = Predictions.joined([experiment.predictions(n) for n in numbers])
    temperature = shared_temperature(experiment)
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
    return CategoryScores[Spread](
        **{score: Spread.of([getattr(part, score) for part in parts]) for score in SCORED},
        support=sum(part.support for part in parts),
    )


def write_summary(experiment: Experiment, labels: Mapping[str, str] | None = None) -> Summary:
    """Write `summary.json`, the plots, the doubtful labels and `report.html`.

    Args:
        labels: the label of each category in plots and report; without one, the category is shown.
    """
    summary, folder, dataset = summarise(experiment), experiment.folder, experiment.dataset()
    test = Predictions.joined([experiment.predictions(n) for n in range(summary.folds)])
    probabilities = at_temperature(test.probabilities, summary.temperature, dataset.kind)
    test = replace(test, probabilities=probabilities)
    doubts = doubtful_labels(test, dataset.kind)
    names = names_of(dataset.categories, labels or {})
    confusion = plot_confusion(summary.confusion, tuple(names.values()))
    save_png(folder / "confusion_matrix.png", confusion)
    reliability = plot_reliability(summary.uncalibrated, summary.calibrated)
    save_png(folder / "reliability.png", reliability)
    write_doubts(folder / "doubtful_labels.csv", doubts, test, dataset.categories)
    write_report(experiment, summary, test, doubts, names)
    write_atomically(folder / "summary.json", summary.model_dump_json(indent=2))
    return summary


def names_of(categories: Sequence[str], labels: Mapping[str, str]) -> dict[str, str]:
    """The name to show for each category; if two have the same label, the category follows it."""
    times = Counter(labels.get(each, each) for each in categories)
    return {
        each: label if times[label] == 1 else f"{label} ({each})"
        for each in categories
        for label in [labels.get(each, each)]
    }


def write_report(
    experiment: Experiment,
    summary: Summary,
    test: Predictions,
    doubts: list[Doubt],
    names: Mapping[str, str],
) -> None:
    """Write `report.html`.

    Args:
        test: the test predictions of all folds, at the summary's temperature.
        doubts: the doubtful labels, the most doubtful first.
        names: the name to show for each category, in their order.
    """
    engine = template_engine(Path(__file__).parent)
    engine.filters |= {
        "percent": _percent,
        "whole": "{:.0%}".format,
        "shade": _shade,
        "breakable": _breakable,
    }
    called = {names[category]: scores for category, scores in summary.categories.items()}
    shown = summary.model_copy(update={"categories": called})
    cards = ReportCards(experiment, test, tuple(names.values()))
    view = _view(experiment, shown, cards, doubts, names)
    page = engine.get_template(TEMPLATE).render(view)
    write_atomically(experiment.folder / "report.html", page)


def _view(
    experiment: Experiment,
    summary: Summary,
    cards: ReportCards,
    doubts: list[Doubt],
    names: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "name": experiment.name,
        "finished": _finished(experiment),
        "epochs": _epochs(experiment.results()),
        "settings": experiment.settings(),
        "licence_warning": warning_about(experiment.settings().encoder_licence),
        "dataset": experiment.dataset().model_copy(update={"categories": tuple(names.values())}),
        "summary": summary,
        "averages": [
            (title, spread, MEANINGS[title]) for title, spread in summary.averages().items()
        ],
        "pictures": PICTURES[experiment.dataset().picture_source],
        "left_out": experiment.left_out(),
        "dropped": _dropped(experiment),
        "mistaken": {name: summary.most_mistaken(name) for name in summary.categories},
        "shows_matrix": len(summary.categories) <= MOST_IN_MATRIX,
        "promotion": promotion_view(experiment, names),
        "history": _image(_learning(experiment)),
        "reliability": _image(plot_reliability(summary.uncalibrated, summary.calibrated)),
        "exhibits": cards.exhibits(),
        "mistakes": cards.mistakes(),
        "doubts": cards.doubts(doubts),
        "doubtful": len(doubts),
    }


def _learning(experiment: Experiment) -> Figure:
    settings = experiment.settings()
    if settings.encoder:
        trials = [experiment.trials(number) for number in range(settings.folds)]
        return plot_trials(trials, stacked=True)
    history = [experiment.history(number) for number in range(settings.folds)]
    return plot_history(history, stacked=True)


def _finished(experiment: Experiment) -> str:
    folders = [experiment.split(number) for number in range(experiment.settings().folds)]
    latest = max((each / "metrics.json").stat().st_mtime for each in folders)
    then = datetime.fromtimestamp(latest).astimezone()
    return f"{then.day} {then:%B %Y, %H:%M}"


def _epochs(results: Sequence[FoldResult]) -> str:
    ran, kept = [each.epochs for each in results], [each.best_epoch for each in results]
    return f"{_range(ran)} in each fold; the weights are from epoch {_range(kept)}"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _dropped(experiment: Experiment) -> list[str]:
    """The examples with a doubtful label, which at least one head did not learn from."""
    settings = experiment.settings()
    if not settings.encoder:
        return []
    return sorted({key for number in range(settings.folds) for key in experiment.dropped(number)})


def _image(figure: Figure) -> str:
    return data_uri(svg(figure).encode(), "image/svg+xml")


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def _shade(share: float) -> str:
    return f"{100 * share:.0f}%"


def _breakable(key: str) -> Markup:
    return Markup("<wbr>").join(re.split(r"(?<=[/_])", key))
