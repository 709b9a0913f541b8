"""Plots: written whole, the same each time, whatever the labels are."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.trainer.experiments import HISTORY
from trainer.report.plots import (
    lowest_of,
    plot_confusion,
    plot_curve,
    plot_history,
    plot_reliability,
    save_png,
    svg,
)
from trainer.scoring.calibration import Bin, Calibration
from trainer.scoring.thresholds import Curve, Effect

BINS = tuple(Bin(probability=x / 10, right=x / 12, count=5) for x in range(1, 10))
CALIBRATION = Calibration(error=0.1, brier=0.2, bins=BINS)


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    save_png(tmp_path / "p.png", plot_confusion([[3, 1], [0, 4]], ("map", "toy")))
    with Image.open(tmp_path / "p.png") as image:
        assert min(image.size) > 300
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


@pytest.mark.parametrize("label", ["$\\frac{$", "<b>", "Karten & Pläne", "地図", "a" * 80])
def test_any_label_can_be_drawn(tmp_path: Path, label: str) -> None:
    save_png(tmp_path / "p.png", plot_confusion([[3, 1], [0, 0]], (label, "toy")))
    assert (tmp_path / "p.png").exists()


def test_svg_is_well_formed_and_the_same_each_time() -> None:
    first, second = (svg(plot_reliability(CALIBRATION, CALIBRATION)) for _ in range(2))
    assert first == second
    assert ElementTree.fromstring(first).tag.endswith("svg")


def test_every_fold_has_its_line() -> None:
    figure = plot_history([HISTORY, HISTORY[:2]])
    losses, accuracies = figure.axes
    assert len(losses.lines) == 2 * 3
    assert list(accuracies.lines[0].get_ydata()) == [epoch.validation_accuracy for epoch in HISTORY]


def _curve(count: int, *, lowest: float = 0.7) -> Curve:
    return Curve(found=np.linspace(0, 1, count), precision=np.linspace(1, lowest, count))


def _effect(written: int) -> Effect:
    return Effect(
        threshold=0.5, examples=9, written=written, right=written, precision=0.8, found=0.6
    )


def test_a_curve_has_its_promise_and_its_threshold() -> None:
    (axes,) = plot_curve(_curve(5000), _effect(9), precision=0.9, lowest=0.5).axes
    promise, curve, dot = axes.lines
    assert set(promise.get_ydata()) == {0.9}
    assert len(curve.get_xdata()) == 200  # so that a page of many is small
    assert (curve.get_xdata()[-1], curve.get_ydata()[-1]) == (1, 0.7)
    assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([0.6], [0.8])


def test_a_concept_that_is_off_has_no_dot_and_one_without_statements_no_curve() -> None:
    off = plot_curve(_curve(5), _effect(0), precision=0.9, lowest=0.5)
    assert len(off.axes[0].lines) == 2
    empty = plot_curve(_curve(0), _effect(0), precision=0.9, lowest=0.5)
    assert len(empty.axes[0].lines) == 1
    assert ElementTree.fromstring(svg(empty)).tag.endswith("svg")


def test_all_curves_are_drawn_from_the_same_precision() -> None:
    good, bad = _curve(100, lowest=0.6), _curve(100, lowest=0.3)
    few = Curve(found=np.zeros(3), precision=np.zeros(3))  # chance, more or less
    assert lowest_of([good, few]) == 0.5
    assert lowest_of([good, bad]) == 0.0
    assert lowest_of([]) == 0.5
