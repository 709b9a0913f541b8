"""a view of the waiting work, for scaling workers

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LEDGER_LOAD = """
CREATE VIEW ledger_load AS
SELECT claimable.*, in_work.* FROM (
    SELECT coalesce(sum(fresh) FILTER (WHERE priority = 'urgent'), 0)::int AS urgent_fresh,
           coalesce(sum(put_off) FILTER (WHERE priority = 'urgent'), 0)::int AS urgent_put_off,
           coalesce(sum(fresh) FILTER (WHERE priority = 'bulk'), 0)::int AS bulk_fresh,
           coalesce(sum(put_off) FILTER (WHERE priority = 'bulk'), 0)::int AS bulk_put_off
    FROM (
        SELECT priority,
               (SELECT count(*) FROM (
                    SELECT FROM job_chunk
                    WHERE job_id = job.id AND state = 'ready' AND put_off = false
                      AND not_before <= now()
                    ORDER BY not_before, number LIMIT 1000) AS bounded) AS fresh,
               (SELECT count(*) FROM (
                    SELECT FROM job_chunk
                    WHERE job_id = job.id AND state = 'ready' AND put_off = true
                      AND not_before <= now()
                    ORDER BY not_before, number LIMIT 1000) AS bounded) AS put_off
        FROM job WHERE state = 'running'
    ) AS of_job
) AS claimable, (
    SELECT count(*) FILTER (WHERE priority = 'urgent')::int AS urgent_in_work,
           count(*) FILTER (WHERE priority = 'bulk')::int AS bulk_in_work
    FROM (
        SELECT job_id FROM job_chunk WHERE state = 'leased' ORDER BY job_id, number LIMIT 10000
    ) AS leased JOIN job ON job.id = leased.job_id WHERE job.state <> 'cancelled'
) AS in_work
"""


def upgrade() -> None:
    op.execute(LEDGER_LOAD)


def downgrade() -> None:
    op.execute("DROP VIEW ledger_load")
