"""Real services for the tests, and an environment that knows nothing of ours."""

import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from common.process.settings.every import every_field
from common.process.settings.settings_files import VARIABLE
from common.store.session import open_store
from deploy.local import Services, local_services
from tests.databases import Databases, administer
from tests.pooler import SESSIONS, PgBouncer

ALEMBIC_INI = Path(__file__).resolve().parents[1] / "alembic.ini"
TEMPLATE = "migrated"


def _move_home() -> Callable[[], None]:
    """Make a temporary folder the home of this run; returns what removes it."""
    home = tempfile.TemporaryDirectory(prefix="home-", ignore_cleanup_errors=True)
    os.environ["HOME"] = home.name
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        del os.environ[name]
    return home.cleanup


# Libraries write there as soon as they are imported, as the next conftest.py may do.
# A process that tests are shared out to has the home of the one that started it.
remove_home = None if "PYTEST_XDIST_WORKER" in os.environ else _move_home()


def pytest_configure(config: pytest.Config) -> None:
    """Leave nothing of what libraries wrote, and let Ctrl-C end what tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in `nohup make test &`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if remove_home is not None:
        config.add_cleanup(remove_home)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for more time than others begins first, so that nobody waits for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session", autouse=True)
def _hermetic_environment() -> Iterator[None]:
    """No variable of the one who runs the tests reaches a test or a process it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower() in every_field() or name == VARIABLE or name.startswith("PG"):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sends the log to its own standard error, which is gone after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """A Postgres and a Valkey for the whole session; a test may stop, kill and start them."""
    with local_services() as running:
        yield running


@pytest.fixture(scope="session")
def databases(services: Services, migrated_template: str) -> Databases:
    """Where each test gets its database from."""
    return Databases(services.postgres, migrated_template)


@pytest.fixture
def database_url(
    services: Services, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A migrated, empty database for one test, in DATABASE_URL as well."""
    services.postgres.start()
    url = databases.take()
    monkeypatch.setenv("DATABASE_URL", url)
    yield url
    services.postgres.start()
    databases.give_back()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The store of one test."""
    engine = open_store()
    yield engine
    engine.dispose()


@pytest.fixture
def pooled(
    services: Services, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """The same store by way of PgBouncer, in DATABASE_URL as well."""
    with PgBouncer(services.postgres) as pooler:
        monkeypatch.setenv("DATABASE_URL", pooler.url_of(database_url))
        engine = open_store()
        with ExitStack() as at_once:  # so that all sessions of the pool are there to go round
            for _ in range(SESSIONS):
                at_once.enter_context(engine.connect()).execute(text("SELECT 1"))
        yield engine
        engine.dispose()


@pytest.fixture
def broker_url(services: Services, monkeypatch: pytest.MonkeyPatch) -> str:
    """The broker with nothing in it, in BROKER_URL as well."""
    services.broker.start()
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        client.flushall()
    monkeypatch.setenv("BROKER_URL", services.broker_url)
    return services.broker_url


@pytest.fixture(scope="session")
def migrated_template(services: Services) -> str:
    """The database that every test's own is a copy of."""
    services.postgres.start()
    administer(services.postgres, f"CREATE DATABASE {TEMPLATE}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", services.postgres.database_url(TEMPLATE))
        command.upgrade(Config(ALEMBIC_INI), "head")
    return TEMPLATE
