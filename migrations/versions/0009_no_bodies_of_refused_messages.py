"""store no bodies of refused messages

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Bodies and headers may hold passwords. Only unreleased programs at 0008 wrote them.
    op.execute("DELETE FROM refused_message")
    op.drop_column("refused_message", "body")
    op.execute("UPDATE schema_compatibility SET serves_from = '0006'")


def downgrade() -> None:
    op.add_column(
        "refused_message", sa.Column("body", sa.Text(), server_default="", nullable=False)
    )
