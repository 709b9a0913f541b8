"""an index of put-off chunks by due time

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_job_chunk_put_off",
        "job_chunk",
        ["job_id", "not_before"],
        unique=False,
        postgresql_where=sa.text("state = 'ready' AND (retries > 0 OR waiting_since IS NOT NULL)"),
    )


def downgrade() -> None:
    op.drop_index("ix_job_chunk_put_off", table_name="job_chunk")
