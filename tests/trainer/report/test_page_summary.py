"""The summary of a cross-validation."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from common.errors import ModelError
from common.vision.kinds import Kind
from tests.trainer.experiments import copied
from trainer.commands.printing import category_listing, overall_listing
from trainer.experiment import Experiment
from trainer.report.page import summarise, write_summary
from trainer.scoring.metrics import Spread
from trainer.scoring.predictions import Predictions, write_predictions


@pytest.fixture
def experiment(finished: dict[Kind, Experiment], tmp_path: Path) -> Experiment:
    """A copy of one with a category a picture."""
    return copied(finished["single"], tmp_path)


def _printed(*tables: object) -> str:
    console = Console(width=120, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        console.print(*tables)
    return console.export_text()


def test_every_example_counts_once(experiment: Experiment) -> None:
    summary = summarise(experiment)
    assert summary.examples == 35 == sum(map(sum, summary.confusion))
    assert summary.majority == pytest.approx(12 / 35)
    accuracies = [result.test.accuracy for result in experiment.results()]
    assert summary.accuracy.mean == pytest.approx(np.mean(accuracies))
    assert summary.accuracy.deviation == pytest.approx(np.std(accuracies, ddof=1))


def test_the_temperature_does_not_look_at_the_test_part(experiment: Experiment) -> None:
    before = summarise(experiment)
    for number in range(3):
        test = experiment.predictions(number)
        turned = replace(test, targets=np.roll(test.targets, 1, axis=1))
        path = experiment.split(number) / "predictions.csv"
        write_predictions(path, turned, experiment.dataset().categories, "single")
    after = summarise(experiment)
    assert after.temperature == before.temperature
    assert after.calibrated != before.calibrated


def test_the_temperature_is_fitted_on_the_validation_parts_of_all_folds(
    experiment: Experiment,
) -> None:
    before = summarise(experiment).temperature
    parts = [experiment.validation_predictions(number) for number in range(3)]
    certain = [np.where(part.targets, 0.98, 0.01).astype(np.float32) for part in parts]
    for number, (part, probabilities) in enumerate(zip(parts, certain, strict=True)):
        surer = Predictions(keys=part.keys, targets=part.targets, probabilities=probabilities)
        path = experiment.split(number) / "validation_predictions.csv"
        write_predictions(path, surer, experiment.dataset().categories, "single")
    assert summarise(experiment).temperature < 0.5 < before


def test_an_unfinished_fold_is_said(experiment: Experiment) -> None:
    (experiment.split(2) / "metrics.json").unlink()
    with pytest.raises(ModelError, match="not finished"):
        summarise(experiment)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_all_files_are_written_and_json_is_strict(
    finished: dict[Kind, Experiment], tmp_path: Path, kind: Kind
) -> None:
    experiment = copied(finished[kind], tmp_path)
    write_summary(experiment)
    assert {path.name for path in experiment.folder.iterdir()} == {
        *("conf.json", "dataset.json", "splits.csv", "left_out.csv"),
        *("split_0", "split_1", "split_2", "summary.json", "confusion_matrix.png"),
        *("reliability.png", "doubtful_labels.csv", "report.html"),
    }

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    text = (experiment.folder / "summary.json").read_text()
    members = json.loads(text, parse_constant=refuse)
    assert members["top3"]["mean"] is None  # of three categories
    assert members["kind"] == kind
    with (experiment.folder / "doubtful_labels.csv").open() as file:
        assert {row["example"][:7] for row in csv.DictReader(file)} <= {"/90101/"}


def test_several_categories_have_measures_of_their_own(
    finished: dict[Kind, Experiment],
) -> None:
    summary = {kind: summarise(experiment) for kind, experiment in finished.items()}
    assert {"micro F1", "mean average precision", "ranking loss", "coverage"} == set(
        summary["multi"].averages()
    ) - set(summary["single"].averages())


def test_tables_tell_mean_deviation_and_majority(experiment: Experiment) -> None:
    summary = summarise(experiment)
    text = _printed(overall_listing(summary), category_listing(summary))
    assert str(summary.f1) in text
    assert f"{summary.majority:.3f}" in text
    assert "textile" in text
    assert summary.most_mistaken("map") in text


def test_a_spread_is_over_the_folds_that_have_the_value() -> None:
    assert Spread.of([0.5, math.nan, 0.7]) == Spread(
        mean=0.6, deviation=pytest.approx(0.1414, rel=1e-3)
    )
    assert str(Spread.of([math.nan, math.nan])) == "–"
    assert str(Spread.of([0.5, math.nan])) == "0.500"
    assert str(Spread.of([0.5, 0.7])) == "0.600 ± 0.141"
