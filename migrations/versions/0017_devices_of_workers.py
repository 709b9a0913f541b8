"""the device of a worker, and the models that it does not run in float16

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "worker_process", sa.Column("device", sa.Text(), server_default="", nullable=False)
    )
    listed = sa.Column("in_float32", postgresql.JSONB(), server_default="[]", nullable=False)
    op.add_column("worker_process", listed)


def downgrade() -> None:
    op.drop_column("worker_process", "in_float32")
    op.drop_column("worker_process", "device")
