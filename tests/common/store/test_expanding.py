"""Migrations expand first and contract a release later (docs/how-to/migrate.md)."""

import io
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from common.store.session import MIGRATIONS

BASELINE = "0006"  # programs before it accept no schema but their own
SCRIPTS = {script.revision: script for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
AFTER_BASELINE = sorted(revision for revision in SCRIPTS if revision > BASELINE)

CONTRACTS = re.compile(
    r"""
    \bDROP\ (TABLE|VIEW|SEQUENCE|TYPE|FUNCTION|COLUMN|DEFAULT)\b
    | \bDROP\ (CONSTRAINT|INDEX)\ (IF\ EXISTS\ )?(pk|uq)_   # ON CONFLICT may need it
    | \bRENAME\b
    | \bALTER\ COLUMN\ \S+\ (SET\ NOT\ NULL|(SET\ DATA\ )?TYPE)\b
    | \bADD\ COLUMN\b(?=.*\bNOT\ NULL)(?!.*\b(DEFAULT|GENERATED)\b)
    | \bADD\ CONSTRAINT\ (?!ck_)                             # a check may be a wider one
    | \bCREATE\ UNIQUE\ INDEX\b
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
NEW_TABLE = re.compile(r"\bCREATE TABLE (\w+)", re.IGNORECASE)
TABLE_OF_STATEMENT = re.compile(r"\b(?:TABLE|ON) (\w+)", re.IGNORECASE)
SERVES_FROM = re.compile(r"UPDATE schema_compatibility SET serves_from = '(\d{4})'")


def sql_of(change: Callable[[], None]) -> str:
    """What a migration would tell Postgres."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        change()
    return written.getvalue()


def contractions(sql: str) -> list[str]:
    """The statements that take something away from programs that do not know this migration."""
    new = set(NEW_TABLE.findall(sql))
    return [
        statement.strip()
        for statement in sql.split(";")
        if CONTRACTS.search(statement)
        and not new.intersection(TABLE_OF_STATEMENT.findall(statement))
    ]


def breach(sql: str, revision: str, *, serves_from: str) -> str:
    """How a migration breaks the rule, on a schema that serves from `serves_from`; or nothing."""
    said = SERVES_FROM.findall(sql)
    if not said:
        return "; ".join(contractions(sql))
    return "" if serves_from <= said[-1] < revision else f"serves_from = {said[-1]}"


def test_migrations_are_numbered_in_their_order():
    numbers = sorted(SCRIPTS)
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert [SCRIPTS[number].down_revision for number in numbers] == [None, *numbers[:-1]]


def test_migrations_expand_or_say_whom_they_leave_behind():
    serves_from = BASELINE
    for revision in AFTER_BASELINE:
        sql = sql_of(SCRIPTS[revision].module.upgrade)
        assert breach(sql, revision, serves_from=serves_from) == ""
        serves_from = max([serves_from, *SERVES_FROM.findall(sql)])


@pytest.mark.parametrize("revision", ["0001", "0003", "0004", "0005", "0006"])
def test_migrations_that_only_added_are_seen_to_expand(revision):
    assert contractions(sql_of(SCRIPTS[revision].module.upgrade)) == []


def test_the_migration_that_renamed_a_column_is_seen_to_contract():
    found = contractions(sql_of(SCRIPTS["0002"].module.upgrade))
    assert "ALTER TABLE enrichment RENAME created_at TO updated_at" in found


@pytest.mark.parametrize(
    "change",
    [
        lambda: op.drop_table("heatmap"),
        lambda: op.drop_column("job", "submitter"),
        lambda: op.rename_table("job", "order"),
        lambda: op.alter_column("job", "total", new_column_name="records"),
        lambda: op.alter_column("job", "submitter", nullable=False),
        lambda: op.alter_column("job", "state", server_default=None),
        lambda: op.alter_column("job", "total", type_=sa.Integer()),
        lambda: op.add_column("job", sa.Column("note", sa.Text(), nullable=False)),
        lambda: op.drop_constraint("uq_dataset_name", "dataset"),
        lambda: op.create_unique_constraint("uq_job_submitter", "job", ["submitter"]),
        lambda: op.create_foreign_key("fk_job_x", "job", "dataset", ["submitter"], ["name"]),
        lambda: op.create_index("uq_job_submitter", "job", ["submitter"], unique=True),
        lambda: op.execute("alter table job drop column submitter"),
    ],
)
def test_a_migration_that_takes_away_breaks_the_rule_until_it_says_so(change):
    sql = sql_of(change)
    assert breach(sql, "0009", serves_from="0006") != ""
    says_so = sql_of(lambda: op.execute("UPDATE schema_compatibility SET serves_from = '0008'"))
    assert breach(sql + says_so, "0009", serves_from="0006") == ""
    assert breach(sql + says_so, "0008", serves_from="0006") != ""  # no other release at all
    assert breach(sql + says_so, "0010", serves_from="0009") != ""  # again one that was left behind


def add_a_table() -> None:
    op.create_table("note", sa.Column("id", sa.Integer(), nullable=False))
    op.create_primary_key("pk_note", "note", ["id"])
    op.create_index("uq_note_id", "note", ["id"], unique=True)


def widen_a_check() -> None:
    op.drop_constraint("ck_job_state_known", "job")
    op.create_check_constraint("ck_job_state_known", "job", "state <> 'lost'")


@pytest.mark.parametrize(
    "change",
    [
        add_a_table,
        widen_a_check,
        lambda: op.add_column("job", sa.Column("note", sa.Text(), nullable=True)),
        lambda: op.add_column("job", sa.Column("n", sa.Text(), server_default="", nullable=False)),
        lambda: op.alter_column("job", "state", nullable=True),
        lambda: op.create_index("ix_job_submitter", "job", ["submitter"]),
        lambda: op.drop_index("ix_job_chunk_put_off", "job_chunk"),
    ],
)
def test_a_migration_that_adds_keeps_the_rule(change):
    assert breach(sql_of(change), "0009", serves_from="0006") == ""
