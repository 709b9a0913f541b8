"""A process that listens."""

from collections.abc import Iterator

import pytest

from deploy.local import Services
from tests.common.broker.listening import Listening, listening


@pytest.fixture
def listener(broker_url: str, services: Services) -> Iterator[Listening]:
    with listening(services) as found:
        yield found
