"""tokens of the HTTP API, and what an idempotency key was first used for

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_token",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requests", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "length(token_sha256) = 32", name=op.f("ck_api_token_token_sha256_form")
        ),
        sa.CheckConstraint("per_minute > 0", name=op.f("ck_api_token_per_minute_positive")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["desk_user.id"], name=op.f("fk_api_token_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_token_token_sha256")),
    )
    op.add_column("job", sa.Column("request_sha256", sa.LargeBinary(), nullable=True))
    op.create_check_constraint(
        op.f("ck_job_request_sha256_form"), "job", "length(request_sha256) = 32"
    )


def downgrade() -> None:
    op.drop_column("job", "request_sha256")
    op.drop_table("api_token")
