"""a teacher leases a requested refit instead of locking it while it works

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refit", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "refit", sa.Column("lease_token", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("refit", "lease_token")
    op.drop_column("refit", "lease_until")
