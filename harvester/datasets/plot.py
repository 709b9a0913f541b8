"""The counts of a dataset, drawn as four panels of bars."""

import warnings
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import UsageError
from common.files import replacing
from harvester.datasets.counts import DatasetCounts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BARS = 20  # in a panel
_LONGEST_NAME = 38  # characters
_WIDTH, _ROW, _TITLES = 13.0, 0.27, 2.1  # inches
_COLOURS = ("#0a72cc", "#4d9068", "#b5651d", "#7a5195")


def plot_dataset(counts: DatasetCounts, path: Path) -> None:
    """Draw the counts into a PNG file.

    Raises:
        UsageError: matplotlib is not installed, or the name does not end in .png.
        EnrichmentError: the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"--plot writes PNG; {path} must end in .png.")
    panels = [
        ("Categories", counts.categories),
        ("Data providers", _leading(counts.providers)),
        ("Rights", counts.rights),
        ("Pictures", _leading(counts.pictures)),
    ]
    upper, lower = (max(3, *(len(bars) for _, bars in row)) for row in (panels[:2], panels[2:]))
    figure = _figure(_WIDTH, _ROW * (upper + lower) + _TITLES)
    figure.suptitle(f"{counts.name}: {counts.records:,} records", fontsize=15, weight="bold")
    axes = figure.subplots(2, 2, height_ratios=(upper + 2, lower + 2)).flat
    for number, (title, bars) in enumerate(panels):
        rows = upper if number < 2 else lower
        _draw(axes[number], title, bars, rows=rows, colour=_COLOURS[number])
    _save(figure, path)


def _figure(width: float, height: float) -> "Figure":
    """A figure that needs no screen: without pyplot, Agg draws it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "--plot needs matplotlib; install it with: "
            "pip install 'europeana-image-enrichment[plot]'"
        ) from error
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _save(figure: "Figure", path: Path) -> None:
    with replacing(path) as unfinished, warnings.catch_warnings():
        # If the font lacks the script of a name, boxes are drawn, which is no error.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(unfinished, format="png", pad_inches=0.25, bbox_inches="tight")


def _leading(counts: Mapping[str, int]) -> dict[str, int]:
    shown = dict(islice(counts.items(), _BARS))
    if others := len(counts) - len(shown):
        shown[f"{others:,} others"] = sum(counts.values()) - sum(shown.values())
    return shown


def _draw(panel: "Axes", title: str, counts: Mapping[str, int], *, rows: int, colour: str) -> None:
    places = range(len(counts))
    bars = panel.barh(places, list(counts.values()), color=colour, height=0.72)
    panel.bar_label(bars, [f"{count:,}" for count in counts.values()], padding=4, fontsize=9)
    panel.set_yticks(places, [_short(name) for name in counts], fontsize=9, parse_math=False)
    panel.set_ylim(rows - 0.4, -0.6)
    panel.set_xlim(0, 1.15 * max(counts.values(), default=1))
    panel.set_title(title, loc="left", fontsize=11, weight="bold")
    panel.tick_params(left=False, bottom=False, labelbottom=False)
    panel.spines[:].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
