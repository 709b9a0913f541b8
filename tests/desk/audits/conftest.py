from collections.abc import Iterator

import pytest

from common.store.session import open_store
from tests.desk.audits.gallery import Gallery, hang


@pytest.fixture
def gallery(database_url: str) -> Iterator[Gallery]:
    engine = open_store()
    yield hang(engine)
    engine.dispose()
