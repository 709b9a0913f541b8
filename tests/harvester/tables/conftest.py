import pytest

from tests.harvester.conftest import write_vocabulary
from tests.harvester.tables.judged import VOCABULARY


@pytest.fixture
def importer(harvester):
    """The command in a folder with the vocabulary of the pilot."""
    write_vocabulary(harvester.folder, VOCABULARY)
    return harvester
