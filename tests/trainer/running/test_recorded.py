"""Finished cross-validations in the store."""

import json

from sqlalchemy import Engine, select

from common.store.tables import Checkpoint, TrainingRun
from common.vision.kinds import Kind
from trainer.experiment import Experiment
from trainer.report.page import summarise
from trainer.running.recorded import record_run


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
