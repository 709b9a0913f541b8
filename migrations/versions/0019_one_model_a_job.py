"""a job has one model, or routes

`job.also_models` stays for older programs, which read it. The next release drops it.

Revision ID: 0019
Revises: 0018
"""

from alembic import op
from sqlalchemy import text

from common.errors import StoreError

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_OF_SEVERAL = text("""
    SELECT CAST(id AS text) FROM job
    WHERE state IN ('running', 'paused') AND routes IS NULL AND also_models <> '{}' ORDER BY id
""")


def upgrade() -> None:
    if op.get_context().as_sql:
        return
    if found := op.get_bind().scalars(_OF_SEVERAL).all():
        raise StoreError(
            "The migration changed no table. From 0019 on a job has one model, but these "
            f"unfinished jobs have several: {', '.join(found)}. Let the workers finish them, or "
            "cancel them (worker cancel JOB) and enqueue their records for each model."
        )


def downgrade() -> None:
    pass
