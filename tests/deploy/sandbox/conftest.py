"""A sandbox that all tests of a module share, and a client that knows its key."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox

Search = Callable[..., requests.Response]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(draw_collection(items=600)) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["X-Api-Key"] = sandbox.key
        yield session


@pytest.fixture(scope="module")
def search(sandbox: Sandbox, client: requests.Session) -> Search:
    def send(query: str = "*", **parameters: Any) -> requests.Response:
        url = f"{sandbox.url}/record/v2/search.json"
        return client.get(url, params={"query": query, **parameters}, timeout=10)

    return send
