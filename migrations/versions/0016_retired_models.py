"""retired models, separate from replaced models

Revision ID: 0016
Revises: 0015

Earlier releases also called replaced models retired. Only a real retirement withdrew audits.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

RETIRED = """
    UPDATE model SET retired_at = withdrawn.at
    FROM (SELECT model_id, max(withdrawn_at) AS at FROM audit
          WHERE withdrawn_because = 'the model was retired' GROUP BY model_id) AS withdrawn
    WHERE withdrawn.model_id = model.id AND stage = 'retired' AND NOT EXISTS (
        SELECT FROM service WHERE service.model_id = model.id AND began_at > withdrawn.at)
"""
REPLACED = "UPDATE model SET stage = 'candidate' WHERE stage = 'retired' AND retired_at IS NULL"


def upgrade() -> None:
    op.add_column("model", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(RETIRED)
    op.execute(REPLACED)


def downgrade() -> None:
    op.drop_column("model", "retired_at")
