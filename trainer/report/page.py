"""The report of a cross-validation for a curator: `report.html`, one file that needs nothing else.

Texts from outside (labels, keys, reasons) are escaped by the template engine, and the page's own
policy forbids scripts and every request.
"""

import math
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from common.files import write_atomically
from trainer.folds.experiment import Experiment
from trainer.report.cards import Cards
from trainer.report.pictures import data_uri
from trainer.report.plots import plot_history, plot_reliability, svg
from trainer.scoring.label_errors import Doubt
from trainer.scoring.predictions import Predictions
from trainer.scoring.results import Summary

TEMPLATE = "page.html.jinja"
MOST_IN_MATRIX = 40  # categories; a larger matrix is a file of its own

MEANINGS = {
    "accuracy": "share of pictures of which everything said is right",
    "macro precision": "when it names a category, how often that is right",
    "macro recall": "of the pictures of a category, how many it finds",
    "macro specificity": "of all other pictures, how many it rightly does not call so",
    "macro F1": "precision and recall in one; every category counts the same",
    "micro F1": "precision and recall in one; common categories count more",
    "top-3 accuracy": "a right category is among the three most probable",
    "mean average precision": "precision averaged over all that could be found",
    "ranking loss": "how often a wrong category comes before a right one; 0 is best",
    "coverage": "how far down its list one must read to find all that is right",
}
PICTURES = {
    "thumbnail": "Europeana's thumbnails",
    "media": "the files of the providers",
    "mixed": "the files of the providers, or Europeana's thumbnails in their place",
    "folder": "",
}


def write_report(
    experiment: Experiment, summary: Summary, test: Predictions, doubts: list[Doubt]
) -> None:
    """Write `report.html`.

    Args:
        test: the test predictions of all folds, at the summary's temperature.
        doubts: about their labels, the most doubtful first.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "number": _number, "shade": _shade}
    environment.filters["breakable"] = _breakable
    view = _view(experiment, summary, Cards(experiment, test), doubts)
    page = environment.get_template(TEMPLATE).render(view)
    write_atomically(experiment.folder / "report.html", page)


def _view(
    experiment: Experiment, summary: Summary, cards: Cards, doubts: list[Doubt]
) -> dict[str, Any]:
    """What the template shows."""
    histories = [experiment.history(number) for number in range(summary.folds)]
    return {
        "name": experiment.name,
        "config": experiment.config(),
        "dataset": experiment.dataset(),
        "summary": summary,
        "averages": [
            (title, spread, MEANINGS[title]) for title, spread in summary.averages().items()
        ],
        "pictures": PICTURES[experiment.dataset().picture_source],
        "left_out": experiment.left_out(),
        "mistaken": {name: summary.most_mistaken(name) for name in summary.categories},
        "shows_matrix": len(summary.categories) <= MOST_IN_MATRIX,
        "history": _image(plot_history(histories)),
        "reliability": _image(plot_reliability(summary.uncalibrated, summary.calibrated)),
        "exhibits": cards.exhibits(),
        "mistakes": cards.mistakes(),
        "doubts": cards.doubts(doubts),
        "doubtful": len(doubts),
    }


def _image(figure: Figure) -> str:
    return data_uri(svg(figure).encode(), "image/svg+xml")


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def _shade(share: float) -> str:
    """The background of a cell: from white to a blue on which dark text still reads well."""
    return "rgb({}, {}, {})".format(*(round(255 - share * (255 - end)) for end in (122, 172, 214)))


def _breakable(key: str) -> Markup:
    """A long key that may be broken after its separators."""
    return Markup("<wbr>").join(re.split(r"(?<=[/_])", key))


def _number(count: int) -> str:
    return f"{count:,}"
