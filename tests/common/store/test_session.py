"""A program opens a store whose schema serves it, and says of any other what to do."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

from common.errors import StoreError
from common.process.settings import StoreSettings
from common.store.session import MIGRATIONS, newest_migration, open_store

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()


def alter(statement: str) -> None:
    engine = open_store()
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def move_schema(revision: str, *, serves_from: str) -> None:
    """Have the schema say that it is at a migration which serves programs from another one on."""
    alter(
        f"UPDATE schema_compatibility SET serves_from = '{serves_from}'; "
        f"UPDATE alembic_version SET version_num = '{revision}'"
    )


def test_the_newest_migration_is_known_by_the_names_of_the_files():
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    for script in scripts:
        assert Path(script.path).name.startswith(f"{script.revision}_")
    assert newest_migration() == HEAD


@pytest.mark.usefixtures("database_url")
def test_all_letters_come_back_whatever_the_environment_says_of_encodings(monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    engine = open_store()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT chr(1078)")) == "ж"
        assert connection.scalar(text("SELECT :title"), {"title": "Ω"}) == "Ω"
    engine.dispose()


@pytest.mark.usefixtures("database_url")
def test_a_migrated_schema_is_accepted():
    open_store().dispose()


@pytest.mark.usefixtures("database_url")
@pytest.mark.parametrize("serves_from", ["0001", HEAD])
def test_a_newer_schema_that_serves_this_program_is_accepted(serves_from):
    move_schema("9999", serves_from=serves_from)
    open_store().dispose()


@pytest.mark.usefixtures("database_url")
def test_a_newer_schema_that_has_left_this_program_behind_is_refused():
    move_schema("9999", serves_from="9998")
    with pytest.raises(StoreError) as refusal:
        open_store()
    assert str(refusal.value).endswith(
        " is at migration 9999 and works only with programs from migration 9998 on; this "
        f"program has {HEAD}. "
        "Install a newer release."
    )


@pytest.mark.usefixtures("database_url")
def test_an_older_schema_is_to_be_migrated():
    move_schema("0005", serves_from="0001")
    with pytest.raises(StoreError) as refusal:
        open_store()
    assert str(refusal.value).endswith(
        f" is at migration 0005; this program needs {HEAD}. Run: enrichment prepare"
    )


@pytest.mark.usefixtures("database_url")
def test_an_empty_database_is_to_be_prepared():
    alter("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with pytest.raises(StoreError, match=r"^The database at \S+ is empty: ") as refusal:
        open_store()
    assert str(refusal.value).endswith(" Prepare it with: enrichment prepare")


@pytest.mark.usefixtures("database_url")
@pytest.mark.parametrize("change", ["DROP TABLE", "DELETE FROM"])
def test_the_database_of_something_else_is_refused(change):
    alter(f"{change} schema_compatibility; UPDATE alembic_version SET version_num = 'ae1027a6acf'")
    with pytest.raises(
        StoreError, match="Check that DATABASE_URL is the address of the right database"
    ):
        open_store()


def test_a_refusal_names_the_database_but_not_the_password(database_url):
    move_schema("9999", serves_from="9998")
    url = make_url(database_url).set(password="secret").render_as_string(hide_password=False)
    with pytest.raises(StoreError) as refusal:
        open_store(StoreSettings(database_url=url))
    assert str(refusal.value).startswith("The database at postgresql:///test_")
    assert "secret" not in str(refusal.value)


def test_a_refusal_leaves_no_connection_open(database_url):
    move_schema("9999", serves_from="9998")
    refusals = []
    for _ in range(3):
        with pytest.raises(StoreError) as refusal:
            open_store()
        refusals.append(refusal.value)  # which hold what they came through
    opened = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    with create_engine(database_url).connect() as connection:
        assert connection.execute(opened).scalar() == 1
