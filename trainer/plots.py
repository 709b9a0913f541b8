"""Plots, as PNG files: the history of a fold and the confusion of a cross-validation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.files import replacing
from trainer.training import Epoch

DOTS_PER_INCH = 120


def plot_history(path: Path, history: list[Epoch]) -> None:
    """Losses and validation accuracy over the epochs, with a mark at the best one."""
    numbers = [epoch.number for epoch in history]
    best = min(history, key=lambda epoch: epoch.validation_loss)
    with _figure(path, width=7, height=4) as axes:
        axes.plot(numbers, [epoch.training_loss for epoch in history], label="training loss")
        axes.plot(numbers, [epoch.validation_loss for epoch in history], label="validation loss")
        axes.plot(
            numbers,
            [epoch.validation_accuracy for epoch in history],
            label="validation accuracy",
            linestyle="--",
        )
        axes.axvline(best.number, color="grey", linewidth=0.8, label=f"best epoch: {best.number}")
        axes.set_xlabel("epoch")
        axes.legend(frameon=False)


def plot_confusion(path: Path, confusion: list[list[int]], categories: tuple[str, ...]) -> None:
    """Counts, coloured by their share of the true category."""
    counts = np.array(confusion)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    side = 3 + 0.45 * len(categories)
    with _figure(path, width=side, height=side) as axes:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        positions = range(len(categories))
        axes.set_xticks(positions, categories, rotation=45, ha="right")
        axes.set_yticks(positions, categories)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            count = str(counts[row, column])
            axes.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)


@contextmanager
def _figure(path: Path, *, width: float, height: float) -> Iterator[Axes]:
    figure = Figure(figsize=(width, height), layout="constrained", dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)  # no windows, no global state
    yield figure.add_subplot()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
