"""Plots: written whole, the same each time, whatever the labels are."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.trainer.experiments import HISTORY
from trainer.report.plots import plot_confusion, plot_history, plot_reliability, save_png, svg
from trainer.scoring.calibration import Bin, Calibration

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
