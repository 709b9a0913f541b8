"""A store with certified enrichments, a sandbox that takes annotations, and the command."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from click.testing import Result
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from deploy.sandbox.annotations.tokens import ApiClient
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import AnnotationFaults, Faults
from deploy.sandbox.server import Sandbox
from publisher.cli import app
from tests.common.store.verdict_rows import uri
from tests.publisher.statement_rows import add_model, certify, consent, enrich, record_ids

SECRET = "sandbox-secret"


@dataclass
class Publisher:
    """The command, the store behind it, and Europeana as the sandbox plays it."""

    engine: Engine
    sandbox: Sandbox

    def __call__(self, *arguments: str, exit_code: int = 0) -> Result:
        """The command in this process."""
        ended = CliRunner().invoke(app, list(arguments))
        assert ended.exit_code == exit_code, ended.output
        assert ended.exception is None or isinstance(ended.exception, SystemExit)
        assert SECRET not in ended.output
        return ended

    def run(self, statement: str, **given: object) -> list[tuple[object, ...]]:
        """Change the store, or ask it."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), given)
            return [tuple(row) for row in result] if result.returns_rows else []

    @property
    def standing(self) -> list[tuple[str | None, str | None]]:
        """Record and concept of each annotation at Europeana."""
        return sorted((each.record, each.body) for each in self.sandbox.annotations.standing())

    @property
    def posted(self) -> list[tuple[str | None, str | None]]:
        """Record and concept of each statement that stands by the store."""
        rows = self.run("SELECT record_id, concept_uri FROM publication WHERE state = 'posted'")
        return sorted((str(record), str(concept)) for record, concept in rows)

    def states(self) -> dict[str, int]:
        rows = self.run("SELECT state, count(*) FROM publication GROUP BY state")
        return {str(state): int(str(number)) for state, number in rows}


@pytest.fixture
def start(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Publisher]]:
    """Start a sandbox with faults, and point the environment at it."""
    running: list[Sandbox] = []

    def begin(*, role: str = "publisher", patience: float = 60, rate: int = 200, **faults: object):
        made = AnnotationFaults(**faults)  # type: ignore[arg-type]
        sandbox = Sandbox(
            draw_collection(items=30),
            faults=Faults(annotations=made),
            clients=[ApiClient("sandbox", SECRET, role)],
        )
        sandbox.start()
        running.append(sandbox)
        for name, value in (
            ("EUROPEANA_API_URL", sandbox.url),
            ("EUROPEANA_API_KEY", sandbox.key),
            ("EUROPEANA_AUTH_URL", f"{sandbox.url}/auth/realms/europeana"),
            ("EUROPEANA_CLIENT_ID", "sandbox"),
            ("EUROPEANA_CLIENT_SECRET", SECRET),
            ("PUBLISH_PER_SECOND", str(rate)),
            ("PUBLISH_PATIENCE", str(patience)),
        ):
            monkeypatch.setenv(name, value)
        return Publisher(engine, sandbox)

    yield begin
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def publisher(start: Callable[..., Publisher]) -> Publisher:
    """A sandbox without faults."""
    return start()


@pytest.fixture
def certified(engine: Engine) -> list[str]:
    """Records whose enrichments with the concept map are certified, of a provider that consents."""
    records = record_ids(7)
    with engine.begin() as connection:
        add_model(connection)
        enrich(connection, records)
        certify(connection, records)
        consent(connection)
    return records


def as_maps(records: list[str]) -> list[tuple[str, str]]:
    """The statements that these records show a map."""
    return [(each, uri("map")) for each in records]
