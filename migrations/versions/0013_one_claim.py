"""one query to claim chunks, counts of a job's outcomes, and a ledger that does not slow down

Lists of record IDs are stored outside the rows, so that a row that changes its state is small.
Renewals of leases change no index. `hinted_at` stays for workers of the previous release.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

PARTS = 16
COUNTS = ("enriched", "unlike", "below_threshold", "blocked", "failed", "read")
STORAGE = {
    "fillfactor": 80,
    "toast_tuple_target": 512,
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_analyze_scale_factor": 0.05,
}
READY, LEASED = sa.text("state = 'ready'"), sa.text("state = 'leased'")
PUT_OFF = sa.text("state = 'ready' AND (retries > 0 OR waiting_since IS NOT NULL)")

_PUT_OFF = (
    "CASE WHEN {row}.put_off AND {row}.settled_at IS NULL "
    "THEN cardinality({row}.record_ids) ELSE 0 END"
)
CHANGES = ", ".join(
    [f"coalesce(NEW.{name}, 0) - coalesce(OLD.{name}, 0)" for name in COUNTS]
    + [f"{_PUT_OFF.format(row='NEW')} - {_PUT_OFF.format(row='OLD')}"]
)
ADDED = ", ".join(f"{name} = counted.{name} + excluded.{name}" for name in (*COUNTS, "put_off"))
COUNT = f"""
CREATE FUNCTION count_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE job_outcomes SET put_off = put_off - cardinality(OLD.record_ids)
        WHERE job_id = OLD.job_id AND part = OLD.number % {PARTS};
    ELSE
        INSERT INTO job_outcomes AS counted (job_id, part, {", ".join(COUNTS)}, put_off)
        VALUES (NEW.job_id, NEW.number % {PARTS}, {CHANGES})
        ON CONFLICT (job_id, part) DO UPDATE SET
            {ADDED};
    END IF;
    RETURN NULL;
END $$
"""
COUNT_ADDED = """
CREATE TRIGGER outcomes_of_added_chunk AFTER INSERT ON job_chunk FOR EACH ROW
WHEN (NEW.put_off OR NEW.settled_at IS NOT NULL) EXECUTE FUNCTION count_outcomes()
"""
COUNT_CHANGED = f"""
CREATE TRIGGER outcomes_of_changed_chunk AFTER UPDATE ON job_chunk FOR EACH ROW
WHEN ((OLD.settled_at, OLD.put_off, {", ".join(f"OLD.{name}" for name in COUNTS)})
      IS DISTINCT FROM (NEW.settled_at, NEW.put_off, {", ".join(f"NEW.{name}" for name in COUNTS)}))
EXECUTE FUNCTION count_outcomes()
"""
COUNT_REMOVED = """
CREATE TRIGGER outcomes_of_removed_chunk AFTER DELETE ON job_chunk FOR EACH ROW
WHEN (OLD.put_off AND OLD.settled_at IS NULL) EXECUTE FUNCTION count_outcomes()
"""
COUNT_FAILURES = f"""
CREATE FUNCTION count_failures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO job_failure_count AS counted (job_id, reason, part, records)
        SELECT job_id, reason, pg_backend_pid() % {PARTS}, -count(*) FROM gone
        WHERE EXISTS (SELECT FROM job WHERE id = job_id AND state IN ('running', 'paused'))
        GROUP BY job_id, reason ORDER BY job_id, reason
        ON CONFLICT (job_id, reason, part)
            DO UPDATE SET records = counted.records + excluded.records;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO job_failure_count AS counted (job_id, reason, part, records)
        SELECT job_id, reason, pg_backend_pid() % {PARTS}, count(*) FROM written
        GROUP BY job_id, reason ORDER BY job_id, reason
        ON CONFLICT (job_id, reason, part)
            DO UPDATE SET records = counted.records + excluded.records;
    END IF;
    RETURN NULL;
END $$
"""
COUNT_FAILURES_ON = """
CREATE TRIGGER count_of_{event} AFTER {action} ON job_failure REFERENCING {tables}
FOR EACH STATEMENT EXECUTE FUNCTION count_failures()
"""
WRITTEN, GONE = "NEW TABLE AS written", "OLD TABLE AS gone"
FAILURE_EVENTS = (
    ("new_failures", "INSERT", WRITTEN),
    ("changed_failures", "UPDATE", f"{WRITTEN} {GONE}"),
    ("forgotten_failures", "DELETE", GONE),
)
COUNT_ALL_FAILURES = """
INSERT INTO job_failure_count (job_id, reason, part, records)
SELECT job_id, reason, 0, count(*) FROM job_failure GROUP BY job_id, reason
"""
COUNT_ALL = f"""
INSERT INTO job_outcomes (job_id, part, {", ".join(COUNTS)}, put_off)
SELECT job_id, 0, {", ".join(f"sum({name})" for name in COUNTS)},
       coalesce(sum(cardinality(record_ids)) FILTER (WHERE put_off AND settled_at IS NULL), 0)
FROM job_chunk GROUP BY job_id
"""


def upgrade() -> None:
    settings = ", ".join(f"{name} = {value}" for name, value in STORAGE.items())
    op.execute(f"ALTER TABLE job_chunk SET ({settings})")
    for name in ("ready", "hinted", "leased", "put_off"):
        op.drop_index(f"ix_job_chunk_{name}", table_name="job_chunk")
    op.add_column(  # this rewrites the table and moves its lists of IDs out of the rows
        "job_chunk",
        sa.Column(
            "put_off",
            sa.Boolean(),
            sa.Computed("retries > 0 OR waiting_since IS NOT NULL", persisted=True),
            nullable=True,
        ),
    )
    op.create_index(
        "ix_job_chunk_ready",
        "job_chunk",
        ["job_id", "put_off", "not_before", "number"],
        postgresql_where=READY,
    )
    op.create_index(
        "ix_job_chunk_leased", "job_chunk", ["job_id", "number"], postgresql_where=LEASED
    )
    op.create_index(
        "ix_job_chunk_settled",
        "job_chunk",
        ["job_id", "settled_at"],
        postgresql_where=sa.text("settled_at IS NOT NULL"),
    )
    op.create_index(
        "ix_job_running", "job", ["created_at"], postgresql_where=sa.text("state = 'running'")
    )
    op.create_table(
        "job_outcomes",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*COUNTS, "put_off")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_outcomes_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "part", name=op.f("pk_job_outcomes")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "job_failure_count",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_failure_count_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "reason", "part", name=op.f("pk_job_failure_count")),
        postgresql_with={"fillfactor": 50},
    )
    op.execute("LOCK TABLE job_failure IN SHARE ROW EXCLUSIVE MODE")
    for statement in (COUNT_ALL, COUNT_ALL_FAILURES):
        op.execute(statement)
    for statement in (COUNT, COUNT_ADDED, COUNT_CHANGED, COUNT_REMOVED, COUNT_FAILURES):
        op.execute(statement)
    for event, action, tables in FAILURE_EVENTS:
        op.execute(COUNT_FAILURES_ON.format(event=event, action=action, tables=tables))


def downgrade() -> None:
    for event in ("added", "changed", "removed"):
        op.execute(f"DROP TRIGGER outcomes_of_{event}_chunk ON job_chunk")
    for event, _, _ in FAILURE_EVENTS:
        op.execute(f"DROP TRIGGER count_of_{event} ON job_failure")
    op.execute("DROP FUNCTION count_outcomes(), count_failures()")
    op.drop_table("job_failure_count")
    op.drop_table("job_outcomes")
    op.drop_index("ix_job_running", table_name="job")
    for name in ("ready", "leased", "settled"):
        op.drop_index(f"ix_job_chunk_{name}", table_name="job_chunk")
    op.drop_column("job_chunk", "put_off")
    op.create_index("ix_job_chunk_ready", "job_chunk", ["job_id", "number"], postgresql_where=READY)
    op.create_index("ix_job_chunk_hinted", "job_chunk", ["hinted_at"], postgresql_where=READY)
    op.create_index("ix_job_chunk_leased", "job_chunk", ["lease_until"], postgresql_where=LEASED)
    op.create_index(
        "ix_job_chunk_put_off", "job_chunk", ["job_id", "not_before"], postgresql_where=PUT_OFF
    )
    op.execute(f"ALTER TABLE job_chunk RESET ({', '.join(STORAGE)})")
