"""Plots and the history of a fold: PNG, SVG for the report, CSV, and events for TensorBoard.

tensorboardX writes the event files and has few dependencies. You need TensorBoard itself, which has
many, only to view them.
"""

import io
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from tensorboardX import SummaryWriter

from common.files import replacing
from trainer.data.tables import write_table
from trainer.learning.strength import Trial
from trainer.learning.training_state import Epoch
from trainer.scoring.calibration import Calibration
from trainer.scoring.thresholds import Curve, Effect

DOTS_PER_INCH = 120
LONGEST_LABEL = 28  # letters
POINTS = 200  # of a small curve, at most
FIRST_FEW = 10  # predictions
INK, MUTED, GRID = "#1c1b19", "#6b6762", "#dedad3"
BLUE, ORANGE = "#1f5a8a", "#b4541a"
_STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a label may contain dollar signs
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def plot_history(folds: Sequence[Sequence[Epoch]], *, stacked: bool = False) -> Figure:
    """Losses and validation accuracy of folds by epoch; a dot marks the epoch that is used.

    Args:
        stacked: one plot below the other, for narrow screens.
    """
    with _pair(stacked=stacked) as (figure, (losses, accuracies)):
        for history in folds:
            numbers = [epoch.number for epoch in history]
            best = min(history, key=lambda epoch: epoch.validation_loss)
            training = [epoch.training_loss for epoch in history]
            validation = [epoch.validation_loss for epoch in history]
            accuracy = [epoch.validation_accuracy for epoch in history]
            losses.plot(numbers, training, color=ORANGE, linestyle="--", linewidth=1)
            losses.plot(numbers, validation, color=BLUE, linewidth=1.2)
            losses.plot(best.number, best.validation_loss, "o", color=BLUE, markersize=4)
            accuracies.plot(numbers, accuracy, color=BLUE, linewidth=1.2)
            accuracies.plot(best.number, best.validation_accuracy, "o", color=BLUE, markersize=4)
        losses.set_title("Loss")
        losses.legend(losses.lines[:2], ["training", "validation"])
        accuracies.set_title("Validation accuracy")
        accuracies.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        for axes in (losses, accuracies):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y", color=GRID, linewidth=0.6)
    return figure


def plot_trials(folds: Sequence[Sequence[Trial]], *, stacked: bool = False) -> Figure:
    """Loss and accuracy of the folds' heads by strength; a dot marks the chosen strength."""
    with _pair(stacked=stacked) as (figure, (losses, accuracies)):
        for trials in folds:
            strengths = [trial.strength for trial in trials]
            best = min(trials, key=lambda trial: trial.loss)
            losses.plot(strengths, [trial.loss for trial in trials], color=BLUE, linewidth=1.2)
            losses.plot(best.strength, best.loss, "o", color=BLUE, markersize=4)
            accuracy = [trial.accuracy for trial in trials]
            accuracies.plot(strengths, accuracy, color=BLUE, linewidth=1.2)
        losses.set_title("Loss on held-out pictures")
        accuracies.set_title("Accuracy on held-out pictures")
        accuracies.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        for axes in (losses, accuracies):
            axes.set_xscale("log")
            axes.invert_xaxis()
            axes.set_xlabel("strength of the regularisation")
            axes.grid(axis="y", color=GRID, linewidth=0.6)
    return figure


def plot_confusion(confusion: list[list[int]], categories: tuple[str, ...]) -> Figure:
    counts = np.array(confusion)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    side = 3 + 0.45 * len(categories)
    with _figure(width=side, height=side) as (figure, (axes,)):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        positions = range(len(categories))
        labels = [_shorten(category) for category in categories]
        axes.set_xticks(positions, labels, rotation=45, ha="right")
        axes.set_yticks(positions, labels)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else INK
            count = str(counts[row, column])
            axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)
    return figure


def plot_reliability(before: Calibration, after: Calibration) -> Figure:
    with _figure(width=4.2, height=4) as (figure, (axes,)):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
        for calibration, colour, marker, label in (
            (before, ORANGE, "s", "before calibration"),
            (after, BLUE, "o", "after calibration"),
        ):
            stated = [each.probability for each in calibration.bins]
            right = [each.right for each in calibration.bins]
            axes.plot(
                stated, right, color=colour, marker=marker, markersize=4, linewidth=1, label=label
            )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("share correct")
        axes.set_aspect("equal")
        axes.legend(loc="upper left")
        axes.grid(color=GRID, linewidth=0.6)
    return figure


def lowest_of(curves: Iterable[Curve]) -> float:
    """The lower end of the precision axis, the same for all curves.

    The first few predictions of a curve are mostly chance, so they do not count.
    """
    precisions = [curve.precision[FIRST_FEW:].min(initial=1.0) for curve in curves]
    return 0.5 if min(precisions, default=1.0) >= 0.5 else 0.0


def plot_curve(curve: Curve, effect: Effect, *, precision: float, lowest: float) -> Figure:
    """A small plot of precision by the share found, with the threshold (dot) and promise (line)."""
    few = np.unique(np.linspace(0, len(curve.found) - 1, POINTS).astype(np.int64).clip(min=0))
    with rc_context(_STYLE | {"font.size": 7}):
        figure = Figure(figsize=(2.1, 1.5))
        axes = figure.add_axes((0.2, 0.2, 0.7, 0.76))  # a computed layout is slow
        axes.axhline(precision, color=ORANGE, linewidth=0.9, linestyle="--")
        if len(curve.found):
            axes.plot(curve.found[few], curve.precision[few], color=BLUE, linewidth=1.2)
        if effect.written:
            axes.plot(effect.found, effect.precision, "o", color=BLUE, markersize=5)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(lowest, 1.02)
        for axis, ticks in ((axes.xaxis, (0, 0.5, 1)), (axes.yaxis, (lowest, 1))):
            axis.set_ticks(ticks)
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def save_png(path: Path, figure: Figure) -> None:
    """A failure leaves the old file as it was."""
    FigureCanvasAgg(figure)  # no windows, no global state
    with replacing(path) as temporary, _any_script():
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)


def svg(figure: Figure) -> str:
    """The same plot gives the same SVG text."""
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "plot"}), _any_script():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _shorten(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


@contextmanager
def _any_script() -> Iterator[None]:
    """Draw boxes for letters that the font lacks, without warnings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield


def _pair(*, stacked: bool) -> AbstractContextManager[tuple[Figure, Sequence[Axes]]]:
    if stacked:
        return _figure(width=4.4, height=5, rows=2)
    return _figure(width=7, height=2.9, columns=2)


@contextmanager
def _figure(
    *, width: float, height: float, columns: int = 1, rows: int = 1
) -> Iterator[tuple[Figure, Sequence[Axes]]]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False).ravel().tolist()


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    lines = [asdict(epoch) for epoch in history]
    write_table(folder / "history.csv", [list(lines[0]), *(list(x.values()) for x in lines)])
    save_png(folder / "history.png", plot_history([history]))
    _write_events(folder / "tensorboard", lines)


def write_trials(folder: Path, trials: Sequence[Trial]) -> None:
    lines = [asdict(trial) for trial in trials]
    write_table(folder / "strengths.csv", [list(lines[0]), *(list(x.values()) for x in lines)])
    save_png(folder / "strengths.png", plot_trials([trials]))


def _write_events(folder: Path, lines: list[dict[str, float]]) -> None:
    """One scalar per column; `tensorboard --logdir EXPERIMENT` shows the folds side by side."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed
    with SummaryWriter(str(folder)) as events:
        for line in lines:
            for name, value in line.items():
                if name != "number":
                    events.add_scalar(name, value, global_step=int(line["number"]))
