"""a fourth outcome (too different), tallies of predictions for each chunk, promises of models

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

CHECK = "ck_job_chunk_outcomes_add_up"


def upgrade() -> None:
    op.add_column(
        "job_chunk", sa.Column("unlike", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.add_column("job_chunk", sa.Column("said", JSONB(), nullable=True))
    op.add_column("model", sa.Column("promise", JSONB(), nullable=True))
    op.drop_constraint(op.f(CHECK), "job_chunk")
    op.create_check_constraint(
        op.f(CHECK),
        "job_chunk",
        "enriched >= 0 AND below_threshold >= 0 AND unlike >= 0 AND failed >= 0 AND (state NOT IN ('done', 'dead') OR enriched + below_threshold + unlike + failed = cardinality(record_ids))",
    )


def downgrade() -> None:
    """Older programs know three outcomes: for them, too different counts as below the threshold."""
    op.drop_constraint(op.f(CHECK), "job_chunk")
    op.execute("UPDATE job_chunk SET below_threshold = below_threshold + unlike WHERE unlike > 0")
    op.create_check_constraint(
        op.f(CHECK),
        "job_chunk",
        "enriched >= 0 AND below_threshold >= 0 AND failed >= 0 AND (state NOT IN ('done', 'dead') OR enriched + below_threshold + failed = cardinality(record_ids))",
    )
    op.drop_column("model", "promise")
    op.drop_column("job_chunk", "said")
    op.drop_column("job_chunk", "unlike")
