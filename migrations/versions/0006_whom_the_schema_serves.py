"""the schema says which programs it serves, so that workers of two releases can run together

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schema_compatibility",
        sa.Column("only_row", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("serves_from", sa.Text(), nullable=False),
        sa.CheckConstraint("only_row", name=op.f("ck_schema_compatibility_one_row")),
        sa.CheckConstraint(
            "serves_from ~ '^[0-9]{4}$'", name=op.f("ck_schema_compatibility_serves_from_form")
        ),
        sa.PrimaryKeyConstraint("only_row", name=op.f("pk_schema_compatibility")),
    )
    op.execute("INSERT INTO schema_compatibility (serves_from) VALUES ('0006')")


def downgrade() -> None:
    op.drop_table("schema_compatibility")
