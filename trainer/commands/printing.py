"""The trainer's output: results on standard output, hints and warnings on standard error."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from common.process.terminal.console import SafeConsole
from common.process.terminal.listing import Listing

if TYPE_CHECKING:
    from trainer.scoring.by_provider import ProviderScores
    from trainer.scoring.metrics import Summary
    from trainer.scoring.thresholds import Effect

NO_PROMISE = "Every concept is off, so there is no promise."


def print_line(line: str, *, style: str = "") -> None:
    SafeConsole().print(line, style=style, highlight=False, soft_wrap=True)


def print_listing(title: str, listing: Listing) -> None:
    print_line("")
    print_line(title, style="bold")
    listing.print()
    print_line("")


def print_taken_out(providers: Sequence[str]) -> None:
    if providers:
        print_line(
            f"The model for all records now serves: {', '.join(providers)}. The own models "
            "of these data providers use another encoder."
        )


def hint(line: str) -> None:
    """Print a line that is not a result, on standard error."""
    SafeConsole(stderr=True).print(line, highlight=False, soft_wrap=True)


def warn(line: str) -> None:
    SafeConsole(stderr=True).print(
        f"WARNING: {line}", style="bold yellow", highlight=False, soft_wrap=True
    )


def number(value: float) -> str:
    """A number for tables; NaN if it is undefined."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def effect_listing(effects: Mapping[str, "Effect"]) -> Listing:
    headings = ("examples", "written from", "written", "precision", "found")
    listing = Listing("category", *headings, numbers=headings, texts=["category"])
    for label, each in effects.items():
        examples = f"{each.examples:,}"
        if each.threshold is None:
            listing.add(label, examples, "off", "", "", "", style="yellow")
            continue
        shares = number(each.precision), number(each.found)
        listing.add(label, examples, f"{each.threshold:.3f}", f"{each.written:,}", *shares)
    return listing


def provider_listing(scores: Mapping[str, "ProviderScores"], *, most: int) -> Listing:
    numbers = ("pictures", "accuracy", "written", "precision")
    listing = Listing("provider", *numbers, numbers=numbers, texts=["provider"])
    for provider, each in list(scores.items())[:most]:
        precision = "–"
        if each.precision is not None:
            precision = f"{each.precision:.2f} ({each.precision_interval})"
        accuracy = f"{each.accuracy:.2f} ({each.accuracy_interval})"
        written = f"{each.written / each.pictures:.0%}"
        listing.add(provider, f"{each.pictures:,}", accuracy, written, precision)
    return listing


def overall_listing(summary: "Summary") -> Listing:
    value = "mean ± deviation"
    listing = Listing("metric", value, numbers=[value], texts=["metric"])
    for title, spread in summary.averages().items():
        listing.add(title, str(spread))
    before, after = summary.uncalibrated.error, summary.calibrated.error
    fitted = f"{before:.3f}, {after:.3f} at temperature {summary.temperature:.2f}"
    listing.add("calibration error", fitted)
    listing.add("accuracy of the majority category", f"{summary.majority:.3f}", style="dim")
    return listing


def category_listing(summary: "Summary") -> Listing:
    numbers, texts = ("examples", "precision", "recall", "F1"), ("category", "mistaken for")
    listing = Listing("category", *numbers, "mistaken for", numbers=numbers, texts=texts)
    for name, each in summary.categories.items():
        means = (f"{each.precision.mean:.3f}", f"{each.recall.mean:.3f}")
        mistake = summary.most_mistaken(name)
        listing.add(name, f"{each.support:,}", *means, str(each.f1), mistake)
    return listing
