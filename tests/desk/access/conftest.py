"""Cheap hashes, and identity providers."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from desk.access import passwords
from tests.desk.access.providers import OwnProvider, own_provider, real_provider


@pytest.fixture(autouse=True)
def _cheap_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of little memory and time, but where they are the subject."""
    passwords._of_nobody.cache_clear()
    if request.node.path.stem != "test_passwords":
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        monkeypatch.setattr(passwords, "_HASHER", cheap)


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
