"""A job of six hundred records: three chunks."""

from uuid import UUID

import pytest
from sqlalchemy import Engine

from worker import jobs


@pytest.fixture
def job_id(engine: Engine, model_id: int, records: list[str]) -> UUID:
    return jobs.enqueue(engine, records).job_id
