"""A museum in a migrated store, and a desk that serves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser
from sqlalchemy import Engine

from desk.access import passwords
from tests.desk.desk_process import DeskProcess, desk_process
from tests.desk.museum import MAP, PAINTING, VASE, Museum
from tests.desk.picture_host import PictureHost, picture_host
from tests.desk.served import ServedDesk, served_desk
from tests.desk.visiting import Visit, browsing, visiting

OURS, THEIRS = "Our museum", "Their museum"
RECORDS = [f"/1/r{number:02}" for number in range(12)]


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[PictureHost]:
    """What desks ask for pictures: what cannot be seen cannot be judged."""
    with picture_host() as host:
        monkeypatch.setenv("EUROPEANA_API_URL", host.url)
        monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
        yield host


@pytest.fixture(autouse=True)
def _cheap_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of little memory and time, but where they are the subject: each account has one."""
    passwords._of_nobody.cache_clear()
    if request.node.path.stem != "test_passwords":
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        monkeypatch.setattr(passwords, "_HASHER", cheap)


@pytest.fixture
def museum(engine: Engine) -> Museum:
    """Three concepts, and nothing else yet."""
    museum = Museum(engine)
    museum.concepts()
    return museum


@pytest.fixture
def filled(museum: Museum) -> Museum:
    """Twelve records of two museums: nine enriched, one of nothing, two that failed."""
    museum.records(OURS, *RECORDS[:6])
    museum.records(THEIRS, *RECORDS[6:])
    model = museum.model()
    failed = {RECORDS[10]: "timeout", RECORDS[11]: "not_found"}
    job = museum.job(model, RECORDS[:5], RECORDS[5:], failed=failed)
    concepts = [MAP, PAINTING, VASE]
    found = {each: (concepts[n % 3], 0.5 + n / 20) for n, each in enumerate(RECORDS[:9])}
    museum.enrich(job, model, found)
    museum.the_job, museum.the_model = job, model  # type: ignore[attr-defined]
    return museum


@pytest.fixture
def desk(filled: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    with served_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def process(filled: Museum, tmp_path: Path) -> Iterator[DeskProcess]:
    """The same as a program, for tests that stop it, kill it, or measure it."""
    with desk_process(tmp_path) as process:
        yield process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for all visits of a module."""
    with browsing() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    with visiting(browser) as visit:
        yield visit
