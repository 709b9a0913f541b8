import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from common.store.session import open_store
from common.store.tables import Base

REPOSITORY = Path(__file__).resolve().parents[3]
ALEMBIC_INI = REPOSITORY / "alembic.ini"

_CHECKS = text("""
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace ORDER BY conname
""")

_TRIGGERS = text("""
    SELECT tgname, pg_get_triggerdef(pg_trigger.oid), prosrc
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal ORDER BY tgname
""")
_INDEXES = text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname")
_VIEWS = text("SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'")
_COMPARED = (_CHECKS, _TRIGGERS, _INDEXES, _VIEWS)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """On a database of the test's own: these change the schema."""
    engine = open_store()
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def alembic(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as one types it."""
    command = [sys.executable, "-m", "alembic", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def move_schema(connection, *, serves_from):
    """Have the schema say that a newer release migrated it."""
    connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    change = text("UPDATE schema_compatibility SET serves_from = :serves_from")
    connection.execute(change, {"serves_from": serves_from})
    connection.commit()


def test_the_migrations_give_the_schema_of_the_tables(connection):
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_give_the_checks_triggers_indexes_and_views_of_the_tables(connection):
    """Alembic does not compare all of these: the tables are made again, beside the migrated."""
    connection.execute(text("DROP TABLE alembic_version"))
    migrated = [connection.execute(each).all() for each in _COMPARED]
    connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    Base.metadata.create_all(connection)
    assert migrated == [connection.execute(each).all() for each in _COMPARED]
    assert all(migrated)


def test_the_way_down_leaves_nothing_and_leads_up_again(connection):
    config = Config(ALEMBIC_INI)
    command.downgrade(config, "base")
    assert inspect(connection).get_table_names() == ["alembic_version"]
    connection.rollback()
    command.upgrade(config, "head")
    assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())


def test_a_release_has_nothing_to_migrate_where_a_newer_one_has(connection):
    move_schema(connection, serves_from="0006")
    done = alembic("upgrade", "head")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "A newer release has migrated this database. It serves this one too.\n"


def test_a_release_that_the_schema_has_left_behind_migrates_nothing(connection):
    move_schema(connection, serves_from="9998")
    refused = alembic("upgrade", "head")
    assert refused.returncode != 0
    assert "programs from migration 9998 on" in refused.stdout + refused.stderr


def test_a_release_takes_back_nothing_that_it_does_not_know(connection):
    move_schema(connection, serves_from="0006")
    assert alembic("downgrade", "-1").returncode != 0
    assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_migration_that_waits_for_a_table_gives_up_and_changes_nothing(connection):
    connection.execute(text("SELECT FROM schema_compatibility"))  # as a long export would
    given_up = alembic("downgrade", "base")
    assert given_up.returncode != 0
    assert "changed no table: another process holds a lock in the database for too long." in (
        given_up.stdout + given_up.stderr
    )
    connection.rollback()
    assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())


MODELS = """
    INSERT INTO model (id, name, version, path, sha256, labels, thresholds, stage)
    SELECT n, 'm', n, 'm-' || n, lpad(CAST(n AS text), 64, '0'), '{}', '{}',
           CASE n WHEN 5 THEN 'active' WHEN 6 THEN 'candidate' ELSE 'retired' END
    FROM generate_series(1, 6) AS n
"""
AUDITS = """
    INSERT INTO audit (model_id, thresholds, rows, sample, attempt, error, drawn_by,
                       withdrawn_at, withdrawn_because)
    SELECT model_id, '{}', 9, 1, 1, 0.025, desk_user.id, at,
           CASE WHEN at IS NOT NULL THEN because END
    FROM desk_user, (VALUES (2, CAST('2026-03-01' AS timestamptz), 'the model was retired'),
                            (2, '2026-02-01', 'the model was retired'),
                            (3, NULL, ''), (4, '2026-03-01', 'the model was retired'))
         AS told(model_id, at, because)
"""
FORMER = (
    MODELS,
    "INSERT INTO desk_user (name, role) VALUES ('ann', 'reviewer')",
    AUDITS,
    "INSERT INTO service (model_id, began_at, ended_at) VALUES (4, '2026-04-01', '2026-05-01')",
)


def test_what_was_replaced_is_no_longer_called_retired(connection):
    """1 was replaced, 2 retired; 3 was replaced and is audited, 4 retired, put in service again and
    replaced."""
    config = Config(ALEMBIC_INI)
    command.downgrade(config, "0015")
    for statement in FORMER:
        connection.execute(text(statement))
    connection.commit()
    command.upgrade(config, "head")
    stages = "SELECT stage, CAST(CAST(retired_at AS date) AS text) FROM model ORDER BY id"
    not_serving = ("candidate", None)
    assert [tuple(row) for row in connection.execute(text(stages))] == [
        not_serving,
        ("retired", "2026-03-01"),
        not_serving,
        not_serving,
        ("active", None),
        not_serving,
    ]
    connection.rollback()


def test_a_job_of_several_models_ends_before_jobs_have_one(connection):
    command.downgrade(Config(ALEMBIC_INI), "0018")
    connection.execute(text(MODELS))
    several = "INSERT INTO job (id, model_id, also_models, routes, state, finished_at) VALUES"
    done, open_, routed = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))
    connection.execute(text(f"{several} ('{done}', 1, '{{2}}', NULL, 'done', now())"))
    connection.execute(text(f"{several} ('{routed}', 1, '{{2}}', '{{\"a\": 2}}', 'running', NULL)"))
    connection.execute(text(f"{several} ('{open_}', 1, '{{2}}', NULL, 'paused', NULL)"))
    connection.commit()
    refused = alembic("upgrade", "head")
    assert refused.returncode != 0
    assert f"unfinished jobs have several: {open_}. Let the workers finish them" in (
        refused.stdout + refused.stderr
    )
    connection.execute(text("UPDATE job SET state = 'cancelled', finished_at = now()"))
    connection.commit()
    assert alembic("upgrade", "head").returncode == 0
