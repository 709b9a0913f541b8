"""drop the table of refused messages, which are only logged

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("refused_message")  # only unreleased programs wrote it
    op.execute("UPDATE schema_compatibility SET serves_from = '0006'")


def downgrade() -> None:
    op.create_table(
        "refused_message",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_refused_message_sha256_form")
        ),
        sa.CheckConstraint("times > 0", name=op.f("ck_refused_message_times_positive")),
        sa.PrimaryKeyConstraint("sha256", "problem", name=op.f("pk_refused_message")),
    )
