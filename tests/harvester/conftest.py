import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from common.store.session import open_store
from deploy.sandbox.collection import CATEGORIES, draw_collection
from deploy.sandbox.server import Sandbox
from harvester.cli import app

VOCABULARY = {name: category.concept for name, category in CATEGORIES.items()}
HARVESTER = (sys.executable, "-c", "from harvester.cli import main; main()")


@dataclass
class Harvester:
    """The command in a folder, and the store behind it."""

    folder: Path
    engine: Engine

    def __call__(self, *arguments: str, exit_code: int = 0) -> Result:
        """The command in this process: quicker, and warnings are errors."""
        ended = CliRunner().invoke(app, list(arguments))
        assert ended.exit_code == exit_code, ended.output
        assert ended.exception is None or isinstance(ended.exception, SystemExit)
        return ended

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The command as a process of its own, which can be killed."""
        return subprocess.Popen(
            [*HARVESTER, *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the store answers."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture(scope="session")
def catalogue():
    """Items of six categories."""
    return draw_collection(items=900)


@pytest.fixture
def use_sandbox(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sandbox], None]:
    """Point the environment at a sandbox, with no more politeness than a test needs."""

    def use(sandbox: Sandbox) -> None:
        monkeypatch.setenv("EUROPEANA_API_URL", sandbox.url)
        monkeypatch.setenv("EUROPEANA_API_KEY", sandbox.key)
        monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
        monkeypatch.setenv("FETCH_REQUESTS_PER_SECOND", "1000")
        monkeypatch.setenv("FETCH_REQUESTS_AT_A_TIME", "8")

    return use


@pytest.fixture
def sandbox(catalogue, use_sandbox) -> Iterator[Sandbox]:
    """A Europeana without faults but those of its collection."""
    with Sandbox(catalogue) as sandbox:
        use_sandbox(sandbox)
        yield sandbox


@pytest.fixture
def harvester(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The command with a store of its own, in a folder with a vocabulary."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("IMAGE_DIR", str(tmp_path / "images"))
    write_vocabulary(tmp_path, VOCABULARY)
    engine = open_store()
    yield Harvester(tmp_path, engine)
    engine.dispose()


def write_vocabulary(folder: Path, vocabulary: dict[str, str]) -> None:
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary), encoding="utf-8")
