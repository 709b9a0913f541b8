from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.trainer.teaching.school import School, found_school


@pytest.fixture
def school(engine: Engine, tmp_path: Path) -> School:
    """A store in which a model can be taught, without verdicts."""
    return found_school(engine, tmp_path / "models")
