"""A sandbox to write to, and a client that has a token."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from deploy.sandbox.annotations.room import SandboxAnnotations
from deploy.sandbox.annotations.tokens import ApiClient
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import AnnotationFaults, Faults
from deploy.sandbox.server import Sandbox

CATALOGUE = draw_collection(items=12)
CLIENTS = [
    ApiClient("sandbox", "sandbox-secret"),
    ApiClient("portal", "portal-secret", "user"),
    ApiClient("curator", "curator-secret", "admin"),
    ApiClient("reader", "reader-secret", "none"),
]
CONCEPT = "http://data.europeana.eu/concept/"
ITEM = "http://data.europeana.eu/item"


def tag(concept: int = 48, record: str = "/91001/map_000003", **members: Any) -> dict[str, Any]:
    """A semantic tag as a client sends it."""
    body, target = f"{CONCEPT}{concept}", f"{ITEM}{record}"
    return {"motivation": "tagging", "body": body, "target": target} | members


class Writer:
    """One client of a sandbox, with its token."""

    def __init__(self, sandbox: Sandbox, name: str = "sandbox") -> None:
        self.url = sandbox.url
        self.annotations: SandboxAnnotations = sandbox.annotations
        self._form = {
            "grant_type": "client_credentials",
            "client_id": name,
            "client_secret": f"{name}-secret",
        }
        self.log_in()

    def log_in(self) -> None:
        url = f"{self.url}/auth/realms/europeana/protocol/openid-connect/token"
        token = requests.post(url, data=self._form, timeout=10).json()["access_token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def send(
        self, method: str, path: str, content: Any = None, **headers: str
    ) -> requests.Response:
        return requests.request(
            method, f"{self.url}{path}", json=content, headers=self.headers | headers, timeout=10
        )

    def post(self, content: Any, path: str = "/annotation/") -> requests.Response:
        return self.send("POST", path, content)

    def get(self, path: str, **parameters: Any) -> requests.Response:
        """Reads with the API key, as all readers do."""
        return requests.get(
            f"{self.url}{path}", params={"wskey": "sandbox"} | parameters, timeout=10
        )

    def search(self, query: str, **parameters: Any) -> requests.Response:
        return self.get("/annotation/search", query=query, **parameters)


WriterOf = Callable[[str], Writer]


@contextmanager
def writing(**faults: Any) -> Iterator[Writer]:
    """A writer to a sandbox with these faults of its annotations."""
    chosen = Faults(annotations=AnnotationFaults(**faults))
    with Sandbox(CATALOGUE, clients=CLIENTS, faults=chosen) as sandbox:
        yield Writer(sandbox)


@pytest.fixture
def room() -> Iterator[Sandbox]:
    with Sandbox(CATALOGUE, clients=CLIENTS) as sandbox:
        yield sandbox


@pytest.fixture
def writer(room: Sandbox) -> Writer:
    return Writer(room)


@pytest.fixture
def as_client(room: Sandbox) -> WriterOf:
    return lambda name: Writer(room, name)
