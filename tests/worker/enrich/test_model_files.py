from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from common.errors import ModelError
from tests.worker.enrich.test_model_pool import promote
from worker.enrich.model_files import check_model_files


def test_without_a_model_the_check_says_how_to_get_one(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No model serves all records. Put one in service"):
        check_model_files(engine, tmp_path)


def test_every_file_of_a_needed_model_is_looked_for(engine: Engine, tmp_path: Path) -> None:
    promote(engine, tmp_path, 1)
    check_model_files(engine, tmp_path)
    with pytest.raises(ModelError, match="Check that MODEL_DIR names the folder of the models"):
        check_model_files(engine, tmp_path / "elsewhere")
    weights = next(path for path in (tmp_path / "test-1").iterdir() if path.suffix != ".json")
    weights.unlink()
    with pytest.raises(ModelError, match=f"{weights.name} is missing"):
        check_model_files(engine, tmp_path)


def test_the_model_of_an_unfinished_job_is_looked_for(engine: Engine, tmp_path: Path) -> None:
    first = promote(engine, tmp_path, 1)
    promote(engine, tmp_path, 2, members=2)
    (tmp_path / "test-1").rename(tmp_path / "away")
    check_model_files(engine, tmp_path)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO job (model_id) VALUES (:model)"), {"model": first})
    with pytest.raises(ModelError, match="test-1"):
        check_model_files(engine, tmp_path)
