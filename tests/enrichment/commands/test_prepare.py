"""`enrichment prepare`, typed outside a checkout."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from common.store.session import open_store
from deploy.local import Services
from enrichment.cli import app

ALEMBIC_INI = Path(__file__).resolve().parents[3] / "alembic.ini"


@pytest.fixture
def empty_url(services: Services) -> Iterator[str]:
    """A database that nobody has prepared."""
    services.postgres.start()
    url = services.postgres.database_url("unprepared")
    administer(services, "CREATE DATABASE unprepared")
    yield url
    administer(services, "DROP DATABASE unprepared WITH (FORCE)")


def typed(*, exit_code: int = 0) -> Result:
    """The command in this process, with DATABASE_URL as it is."""
    ended = CliRunner().invoke(app, ["prepare"])
    assert ended.exit_code == exit_code, ended.output
    return ended


def administer(services: Services, statement: str) -> None:
    connection = psycopg2.connect(services.postgres.url.replace("+psycopg2", ""))
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def prepare(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("enrichment"), "prepare"],
        cwd=folder,
        env={"DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_prepares_an_empty_database_and_does_nothing_twice(
    installation: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(installation, empty_url)
    assert first.returncode == 0, first.stderr
    assert "unprepared is prepared (migration 00" in first.stderr
    monkeypatch.setenv("DATABASE_URL", empty_url)
    open_store().dispose()
    second = prepare(installation, empty_url)
    assert second.returncode == 0
    assert "unprepared needs nothing: it is at migration 00" in second.stderr
    assert first.stdout == second.stdout == ""


def test_it_says_from_where_to_where_it_went(
    installation: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_url)
    assert "is prepared (migration 00" in typed().stderr
    command.downgrade(Config(ALEMBIC_INI), "-1")
    assert re.search(r"unprepared went from migration 00\d\d to 00\d\d\.", typed().stderr)
    assert typed().stderr.endswith("Next: enrichment doctor\n")


def test_a_schema_that_left_this_program_behind_is_told(
    installation: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_url)
    typed()
    engine = open_store()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE schema_compatibility SET serves_from = '9998'"))
    engine.dispose()
    refused = typed(exit_code=1)
    assert "Install a newer release." in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_cannot_keep_all_letters_is_refused(
    services: Services, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    administer(services, "DROP DATABASE unprepared WITH (FORCE)")
    encoding = "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    administer(services, f"CREATE DATABASE unprepared {encoding}")
    monkeypatch.setenv("DATABASE_URL", empty_url)
    refused = typed(exit_code=1)
    assert "has the encoding SQL_ASCII; titles in all languages need UTF8" in refused.stderr


def test_a_database_that_is_not_there_is_told_without_a_traceback(
    installation: Path, services: Services
) -> None:
    services.postgres.start()
    done = prepare(installation, services.postgres.database_url("nowhere"))
    assert done.returncode == 1
    assert 'database "nowhere" does not exist' in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_setting_it_is_wrong_usage(installation: Path) -> None:
    done = prepare(installation, "")
    assert done.returncode == 2
    assert "DATABASE_URL is not set." in done.stderr


def test_a_program_names_the_command_that_an_empty_database_wants(
    installation: Path, empty_url: str
) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("worker"), "jobs"],
        cwd=installation,
        env={"DATABASE_URL": empty_url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "Prepare it with: enrichment prepare" in done.stderr
