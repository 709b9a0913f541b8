"""What folds are forked from is what the tests fork from: each process has one such process."""

import pytest

from tests.forking import be_ready


@pytest.fixture(autouse=True, scope="session")
def _forking() -> None:
    be_ready()
