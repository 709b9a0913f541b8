"""Finished cross-validations in the store."""

from sqlalchemy import Engine, delete
from sqlalchemy.dialects.postgresql import insert

from common.store.tables import Checkpoint, TrainingRun
from trainer.experiment import Experiment
from trainer.scoring.metrics import Summary, members_of


def record_run(
    engine: Engine, experiment: Experiment, summary: Summary, *, fingerprint: str
) -> None:
    """Record a finished cross-validation, in one transaction. Recording it again replaces it.

    Args:
        fingerprint: that of the training data.
    """
    values = {
        "config": experiment.settings().model_dump(),
        "dataset_fingerprint": fingerprint,
        "metrics": members_of(summary),
    }
    checkpoints = [
        {
            "fold": result.fold,
            "path": str((experiment.split(result.fold) / "checkpoint.pth").resolve()),
            "sha256": result.checkpoint_sha256,
            "metrics": members_of(result.test),
        }
        for result in experiment.results()
    ]
    with engine.begin() as connection:
        run_id = connection.scalar(
            insert(TrainingRun)
            .values(name=experiment.name, **values)
            .on_conflict_do_update(index_elements=[TrainingRun.name], set_=values)
            .returning(TrainingRun.id)
        )
        connection.execute(delete(Checkpoint).where(Checkpoint.run_id == run_id))
        connection.execute(insert(Checkpoint), [{"run_id": run_id, **row} for row in checkpoints])
