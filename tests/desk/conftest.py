"""A museum in a migrated store."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from common.store.session import open_store
from tests.desk.museum import Museum


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The store of one test."""
    engine = open_store()
    yield engine
    engine.dispose()


@pytest.fixture
def museum(engine: Engine) -> Museum:
    """Three concepts, and nothing else yet."""
    museum = Museum(engine)
    museum.concepts()
    return museum
