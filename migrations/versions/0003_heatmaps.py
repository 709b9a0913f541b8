"""heatmaps

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "job", sa.Column("explain", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "heatmap",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_heatmap_sha256_form")),
        sa.ForeignKeyConstraint(
            ["record_id", "concept_uri", "model_id"],
            ["enrichment.record_id", "enrichment.concept_uri", "enrichment.model_id"],
            name=op.f("fk_heatmap_record_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("record_id", "concept_uri", "model_id", name=op.f("pk_heatmap")),
    )
    op.create_index(op.f("ix_heatmap_sha256"), "heatmap", ["sha256"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_heatmap_sha256"), table_name="heatmap")
    op.drop_table("heatmap")
    op.drop_column("job", "explain")
