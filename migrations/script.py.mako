"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Expand first, contract a release later: docs/how-to/migrate.md. Remove this once it holds.
    # Programs of the release before run on meanwhile. New columns are nullable or have a default.
    # What is dropped, renamed or made stricter, that release must not use any more; say so with
    # op.execute("UPDATE schema_compatibility SET serves_from = '<a migration of that release>'")
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
