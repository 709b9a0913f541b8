"""names of jobs, and a list of running workers

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("name", sa.Text(), nullable=True))
    op.create_index(op.f("ix_job_name"), "job", ["name"], unique=False)
    op.create_table(
        "worker_process",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("took_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "problems",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker_process")),
    )


def downgrade() -> None:
    op.drop_table("worker_process")
    op.drop_index(op.f("ix_job_name"), table_name="job")
    op.drop_column("job", "name")
