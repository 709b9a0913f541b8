import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from common.fetch.addresses import AddressPolicy, NameResolver
from common.fetch.client import PictureFetcher, user_agent
from common.fetch.connections import FetchLimits
from tests.common.fetch.servers import Answer, Server, serving

LIMITS = FetchLimits(
    connect_seconds=1.0,
    read_seconds=1.0,
    total_seconds=3.0,
    max_bytes=2_000_000,
    min_bytes_per_second=100.0,
    min_rate_after_seconds=10.0,
)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Server]]:
    """Starts servers that answer as told, for the time of the test."""
    with ExitStack() as servers:
        yield lambda answer: servers.enter_context(serving(answer))


@pytest.fixture(scope="session")
def system_context() -> ssl.SSLContext:
    """Made once: it reads all certificates of the system."""
    return ssl.create_default_context()


@pytest.fixture
def make_fetcher(system_context) -> Iterator[Callable[..., PictureFetcher]]:
    """Makes fetchers that may reach 127.0.0.0/8, with small limits and names that lead there."""

    def make(
        *,
        lookup=lambda host: ["127.0.0.1"],
        allowed="127.0.0.0/8",
        limits=LIMITS,
        ssl_context=system_context,
        large_bodies=16,
    ):
        return fetchers.enter_context(
            PictureFetcher(
                user_agent=user_agent("https://example.org"),
                policy=AddressPolicy.parse(allowed),
                limits=limits,
                resolver=NameResolver(lookup, seconds_kept=0.0),
                ssl_context=ssl_context,
                large_bodies=large_bodies,
            )
        )

    with ExitStack() as fetchers:
        yield make


@pytest.fixture
def fetcher(make_fetcher) -> PictureFetcher:
    return make_fetcher()
