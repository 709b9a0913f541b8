import pytest

from tests.harvester.records.test_search import HARVEST


@pytest.fixture
def harvested(harvester, sandbox):
    """A dataset of about 120 records."""
    harvester(*HARVEST, "--n", "20")
    return harvester
