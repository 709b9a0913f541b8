"""A desk, and programs that call it with tokens."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from common.store.tables import Role
from desk.access.tokens import PER_MINUTE, add_token
from tests.desk.desk_process import PATIENCE
from tests.desk.museum import Museum
from tests.desk.served import ServedDesk, served_desk


class Program:
    """Calls an API with a token."""

    def __init__(self, desk: ServedDesk, token: str | None) -> None:
        self.desk = desk
        self.url = f"{desk.url}/v1"
        self.token = token
        self.session = requests.Session()
        self.session.trust_env = False
        if token is not None:
            self.session.headers["authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=PATIENCE, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more: Any) -> requests.Response:
        return self.ask("POST", path, **more)


def token(
    museum: Museum,
    name: str,
    role: Role = Role.VIEWER,
    *,
    expires_at: datetime | None = None,
    per_minute: int = PER_MINUTE,
) -> str:
    return add_token(museum.engine, name, role=role, expires_at=expires_at, per_minute=per_minute)


@pytest.fixture
def desk(filled: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    with served_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def programs(filled: Museum, desk: ServedDesk) -> dict[Role, Program]:
    """A program of each role; the desk has no account of a person."""
    return {role: Program(desk, token(filled, f"program {role}", role)) for role in Role}


@pytest.fixture
def operator(programs: dict[Role, Program]) -> Program:
    return programs[Role.OPERATOR]
