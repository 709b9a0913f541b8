"""what is published at Europeana: plans, publications, withdrawals, and the rate of requests

Older programs do not know these tables, and need not.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
STATES = ["planned", "sending", "posted", "already_said", "refused", "withdrawing", "withdrawn"]


def reference(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    op.create_table(
        "publication_plan",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("precision", sa.Float(), nullable=False),
        sa.Column("data_provider", sa.Text(), nullable=True),
        sa.Column("concept_uri", sa.Text(), nullable=True),
        sa.Column("counts", JSONB(), nullable=False),
        sa.Column("audits", ARRAY(sa.Integer()), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("checked_at", TIME, nullable=True),
        sa.Column("asked_by", sa.Integer(), nullable=True),
        sa.Column("asked_at", TIME, nullable=True),
        sa.CheckConstraint(
            "precision > 0 AND precision <= 1",
            name=op.f("ck_publication_plan_precision_is_share"),
        ),
        reference("publication_plan", "concept_uri", "concept.uri"),
        reference("publication_plan", "made_by", "desk_user.id"),
        reference("publication_plan", "asked_by", "desk_user.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication_plan")),
    )
    op.create_table(
        "publication",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Uuid(), server_default=sa.func.gen_random_uuid(), nullable=False),
        sa.Column("audits", ARRAY(sa.Integer()), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("due_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("token", sa.Integer(), server_default="0", nullable=False),
        sa.Column("annotation", sa.Text(), nullable=True),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("posted_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("changed_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(
            f"state IN ({', '.join(map(repr, STATES))})", name=op.f("ck_publication_state_known")
        ),
        sa.CheckConstraint(
            "state NOT IN ('posted', 'withdrawing') OR annotation IS NOT NULL",
            name=op.f("ck_publication_posted_has_id"),
        ),
        reference("publication", "record_id", "record.id"),
        reference("publication", "concept_uri", "concept.uri"),
        reference("publication", "plan_id", "publication_plan.id"),
        reference("publication", "model_id", "model.id"),
        sa.PrimaryKeyConstraint("record_id", "concept_uri", name=op.f("pk_publication")),
    )
    op.create_index(
        "ix_publication_to_send",
        "publication",
        ["plan_id", "due_at"],
        postgresql_where=sa.text("state IN ('planned', 'sending')"),
    )
    op.create_index(
        "ix_publication_to_withdraw",
        "publication",
        ["due_at"],
        postgresql_where=sa.text("state = 'withdrawing'"),
    )
    op.create_index("uq_publication_name", "publication", ["name"], unique=True)
    op.create_index("uq_publication_annotation", "publication", ["annotation"], unique=True)
    op.create_table(
        "withdrawal",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("audit_id", sa.Integer(), nullable=True),
        sa.Column("concept_uri", sa.Text(), nullable=True),
        sa.Column("data_provider", sa.Text(), nullable=True),
        sa.Column("confirmed_too", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(model_id, job_id, audit_id, concept_uri, data_provider) = 1",
            name=op.f("ck_withdrawal_names_one"),
        ),
        reference("withdrawal", "model_id", "model.id"),
        reference("withdrawal", "audit_id", "audit.id"),
        reference("withdrawal", "concept_uri", "concept.uri"),
        reference("withdrawal", "made_by", "desk_user.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawal")),
    )
    op.create_table(
        "publisher_slot",
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("free_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_publisher_slot")),
    )
    op.create_table(
        "publisher_sync",
        sa.Column("only_row", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("read_until", TIME, nullable=False),
        sa.CheckConstraint("only_row", name=op.f("ck_publisher_sync_one_row")),
        sa.PrimaryKeyConstraint("only_row", name=op.f("pk_publisher_sync")),
    )


def downgrade() -> None:
    for table in ("publisher_sync", "publisher_slot", "withdrawal", "publication"):
        op.drop_table(table)
    op.drop_table("publication_plan")
