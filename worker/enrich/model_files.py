"""Whether the files of the models that jobs need are in MODEL_DIR."""

from pathlib import Path

from sqlalchemy import Engine, text

from common.errors import ModelError
from common.store.tables.jobs import JOB_MODELS, UNFINISHED
from common.vision.bundle import read_description
from common.vision.encoders.description import missing_files

_NEEDED = text(f"""
    SELECT path, sha256 FROM model
    WHERE stage = 'active' OR id IN (
        SELECT unnest({JOB_MODELS}) FROM job
        WHERE {UNFINISHED})
    ORDER BY id
""")


def check_model_files(engine: Engine, model_dir: Path) -> None:
    """Check the active model and those of unfinished jobs, without reading their weights.

    Raises:
        ModelError: no model is needed, a file is missing, or is not the promoted one.
    """
    with engine.connect() as connection:
        rows = connection.execute(_NEEDED).all()
    if not rows:
        raise ModelError(
            "No model serves all records. Put one in service: trainer models activate MODEL, or "
            "trainer promote EXPERIMENT --activate"
        )
    for row in rows:
        description = read_description(model_dir / row.path, row.sha256)
        if missing := missing_files(model_dir, row.path, description):
            raise ModelError(
                f"{missing[0]} is missing. Check that MODEL_DIR names the folder of the models."
            )
