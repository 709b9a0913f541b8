"""The cross-validation as a whole: it trains what is left, and sums up."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine, select

from common.store.tables import Checkpoint, TrainingRun
from common.vision.kinds import Kind
from tests.trainer.begun import QUICK
from tests.trainer.embeddings import HEADS, embedded_pictures
from tests.trainer.pictures import VOCABULARY
from trainer.data.dataset import TrainingData, folder_data
from trainer.data.embedded import EmbeddedData
from trainer.experiment import Experiment, FoldResult
from trainer.report.page import summarise
from trainer.running.cross_validation import (
    cross_validate,
    cross_validate_heads,
    record_run,
    run_in_sequence,
)
from trainer.running.fold import Assignment
from trainer.settings import TrainingSettings


def test_folds_that_are_finished_are_not_trained_again(labelled: Path) -> None:
    asked: list[list[int]] = []

    def way(numbers: Sequence[int], assignment: Assignment) -> Iterator[FoldResult]:
        asked.append(list(numbers))
        yield from run_in_sequence(numbers, assignment)

    data, experiment = folder_data(labelled, VOCABULARY), Experiment(labelled.parent, "run")
    console = Console(record=True, quiet=True)
    first = cross_validate(data, QUICK, experiment, console, way)
    (experiment.split(1) / "metrics.json").unlink()
    second = cross_validate(data, QUICK, experiment, console, way)
    third = cross_validate(data, QUICK, experiment, console, way)
    assert asked == [[0, 1], [1]]
    assert first.model_dump_json() == second.model_dump_json() == third.model_dump_json()
    assert not list(experiment.folder.rglob("resume.pth"))


def test_a_cross_validation_of_heads_goes_from_embeddings_to_the_report(tmp_path: Path) -> None:
    ready, asked = embedded_pictures(tmp_path / "pictures"), []

    def embed(data: TrainingData, settings: TrainingSettings) -> EmbeddedData:
        asked.append(settings.encoder)
        assert data is ready.data
        return ready

    experiment = Experiment(tmp_path, "heads")
    console = Console(record=True, width=200)
    first = cross_validate_heads(ready.data, HEADS, experiment, console, embed)
    text = console.export_text()
    assert "tiny: 12 numbers a picture" in text
    assert "Fold 2: accuracy" in text
    assert "strength" in text
    (experiment.split(1) / "metrics.json").unlink()
    before = (experiment.split(0) / "metrics.json").stat().st_mtime_ns
    second = cross_validate_heads(ready.data, HEADS, experiment, console, embed)
    third = cross_validate_heads(ready.data, HEADS, experiment, console, embed)
    assert first.model_dump_json() == second.model_dump_json() == third.model_dump_json()
    assert (experiment.split(0) / "metrics.json").stat().st_mtime_ns == before
    assert asked == ["tiny", "tiny"]
    assert {path.name for path in experiment.folder.iterdir()} == {
        *("conf.json", "dataset.json", "splits.csv", "left_out.csv", "near_duplicates.csv"),
        *("split_0", "split_1", "summary.json", "confusion_matrix.png", "reliability.png"),
        *("doubtful_labels.csv", "report.html"),
    }


def test_a_run_recorded_twice_stands_there_once(
    engine: Engine, finished: dict[Kind, Experiment]
) -> None:
    experiment = finished["single"]
    summary = summarise(experiment)
    for fingerprint in ("first", "second"):
        record_run(engine, experiment, summary, fingerprint=fingerprint)
    with engine.connect() as connection:
        (run,) = connection.execute(select(TrainingRun)).all()
        checkpoints = connection.execute(select(Checkpoint).order_by(Checkpoint.fold)).all()
    assert (run.name, run.dataset_fingerprint) == ("run", "second")
    assert run.config == experiment.settings().model_dump()
    assert run.metrics == json.loads(summary.model_dump_json())
    assert [row.fold for row in checkpoints] == [0, 1, 2]
    assert [row.sha256 for row in checkpoints] == [
        result.checkpoint_sha256 for result in experiment.results()
    ]
