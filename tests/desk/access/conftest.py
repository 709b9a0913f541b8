"""Identity providers."""

from collections.abc import Iterator

import pytest

from tests.desk.access.providers import OwnProvider, own_provider, real_provider


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of a provider that others wrote, in a process of its own."""
    with real_provider() as address:
        yield address


@pytest.fixture
def provider() -> Iterator[OwnProvider]:
    """A provider that says what a test has it say."""
    with own_provider() as running:
        yield running
