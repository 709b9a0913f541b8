"""The fixtures that every other test stands on."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine, text

from common.store.session import open_store
from deploy.local import Services
from tests.databases import Databases

REPOSITORY = Path(__file__).resolve().parents[1]


def _put_a_concept_where_there_is_none() -> None:
    engine = open_store()
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM concept")) == 0
        connection.execute(text("INSERT INTO concept VALUES ('http://example.org/1', 'one')"))
    engine.dispose()


def test_a_database_is_migrated_and_empty(database_url: str) -> None:
    _put_a_concept_where_there_is_none()


def test_a_database_is_not_that_of_another_test(database_url: str) -> None:
    _put_a_concept_where_there_is_none()


def test_a_database_comes_although_an_earlier_test_killed_postgres(
    services: Services, request: pytest.FixtureRequest
) -> None:
    services.postgres.kill()
    request.getfixturevalue("database_url")
    _put_a_concept_where_there_is_none()


def test_only_a_database_whose_schema_changed_is_replaced(databases: Databases) -> None:
    used = []
    for statement in (
        "INSERT INTO concept VALUES ('http://example.org/1', 'one')",
        "CREATE TEMPORARY TABLE passing (id int)",
        "CREATE TABLE more (id int)",
        "SELECT 1",
    ):
        used.append(databases.take())
        engine = create_engine(used[-1])
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()
        databases.give_back()
    filled, with_a_temporary_table, changed, new = used
    assert filled == with_a_temporary_table == changed != new


def _push_where_there_is_nothing(services: Services) -> None:
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        assert client.dbsize() == 0
        client.lpush("queue", "message")


def test_a_broker_is_empty(services: Services, broker_url: str) -> None:
    assert os.environ["BROKER_URL"] == broker_url
    _push_where_there_is_nothing(services)


def test_a_broker_holds_nothing_of_another_test(services: Services, broker_url: str) -> None:
    _push_where_there_is_nothing(services)


def test_no_variable_of_the_one_who_runs_the_tests_reaches_a_test(tmp_path: Path) -> None:
    probe = (
        "import os\n"
        "def test_hermetic():\n"
        "    assert not {'DATABASE_URL', 'WORKER_BATCH_SIZE', 'PGHOST'} & set(os.environ)\n"
    )
    (tmp_path / "test_probe.py").write_text(probe)
    given = {"DATABASE_URL": "postgresql://real", "WORKER_BATCH_SIZE": "7", "PGHOST": "real"}
    quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=os.environ | given | quick,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_what_libraries_write_into_the_home_folder_is_temporary() -> None:
    assert Path.home().is_relative_to(tempfile.gettempdir())
    assert Path.home() != Path(pwd.getpwuid(os.geteuid()).pw_dir)
