"""Whether the files of the models that jobs need are in MODEL_DIR."""

from pathlib import Path

from sqlalchemy import Engine, text

from common.errors import ModelError
from common.vision.bundle import read_description
from common.vision.encoders.description import ENCODERS, read_encoder

_NEEDED = text("""
    SELECT model.path, model.sha256, encoder.sha256 AS identity
    FROM model LEFT JOIN encoder ON encoder.id = model.encoder_id
    WHERE model.stage = 'active' OR model.id IN (
        SELECT unnest(array_prepend(model_id, also_models)) FROM job
        WHERE state IN ('running', 'paused'))
    ORDER BY model.id
""")


def check_model_files(engine: Engine, model_dir: Path) -> None:
    """Check the active model and those of unfinished jobs, without reading their weights.

    Raises:
        ModelError: no model is needed, a file is missing, or is not the promoted one.
    """
    with engine.connect() as connection:
        rows = connection.execute(_NEEDED).all()
    if not rows:
        raise ModelError("No model is active. Promote one: trainer promote EXPERIMENT")
    for row in rows:
        folder = model_dir / row.path
        description = read_description(folder, row.sha256)
        files = [folder / each.file for each in description.files]
        if row.identity:
            encoder = read_encoder(model_dir / ENCODERS, row.identity)
            files.append(model_dir / ENCODERS / row.identity / encoder.weights.file)
        for path in files:
            if not path.is_file():
                raise ModelError(
                    f"{path} is missing. Check that MODEL_DIR names the folder of the models."
                )
