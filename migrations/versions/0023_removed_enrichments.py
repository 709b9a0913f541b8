"""a trace of enrichments that were removed

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

NOTE_REMOVED = """
CREATE FUNCTION note_removed_enrichments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO enrichment_removed (model_id, record_id, concept_uri)
    SELECT model_id, record_id, concept_uri FROM gone
    ON CONFLICT (model_id, record_id, concept_uri) DO UPDATE SET removed_at = now();
    RETURN NULL;
END $$
"""
AFTER_REMOVING = """
CREATE TRIGGER enrichments_leave_a_trace AFTER DELETE ON enrichment REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION note_removed_enrichments()
"""


def upgrade() -> None:
    op.create_table(
        "enrichment_removed",
        sa.Column("model_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column(
            "removed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint(
            "model_id", "record_id", "concept_uri", name=op.f("pk_enrichment_removed")
        ),
    )
    op.execute(NOTE_REMOVED)
    op.execute(AFTER_REMOVING)


def downgrade() -> None:
    op.execute("DROP TRIGGER enrichments_leave_a_trace ON enrichment")
    op.execute("DROP FUNCTION note_removed_enrichments")
    op.drop_table("enrichment_removed")
