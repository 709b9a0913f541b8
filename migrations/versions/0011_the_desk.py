"""the desk: accounts, verdicts, decisions, audits, refits, and models in service for providers

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from common.store.tables.accounts import KEEP_ACTIONS
from common.store.tables.harvested import PROVIDER_KEY

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OUTCOMES = "ck_job_chunk_outcomes_add_up"
SOURCES = "ck_dataset_item_source_known"


def upgrade() -> None:
    op.create_table(
        "desk_user",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('viewer', 'reviewer', 'operator')", name=op.f("ck_desk_user_role_known")
        ),
        sa.CheckConstraint(
            "name IS NOT NULL OR (password IS NULL AND subject IS NULL)",
            name=op.f("ck_desk_user_forgotten_is_whole"),
        ),
        sa.CheckConstraint(
            "name IS NOT NULL OR ended_at IS NOT NULL", name=op.f("ck_desk_user_nameless_has_ended")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_user")),
        sa.UniqueConstraint("name", name=op.f("uq_desk_user_name")),
        sa.UniqueConstraint("subject", name=op.f("uq_desk_user_subject")),
    )
    op.create_table(
        "login_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_attempt")),
    )
    op.create_index("ix_login_attempt_subject", "login_attempt", ["subject", "at"], unique=False)
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("decided", sa.Text(), nullable=False),
        sa.Column("data_provider", sa.Text(), nullable=True),
        sa.Column("concept_uri", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Integer(), nullable=False),
        sa.Column(
            "decided_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(decided = 'blocked') = (concept_uri IS NOT NULL)",
            name=op.f("ck_decision_block_has_uri"),
        ),
        sa.CheckConstraint(
            "decided = 'blocked' OR data_provider IS NOT NULL",
            name=op.f("ck_decision_word_of_whom"),
        ),
        sa.CheckConstraint(
            "decided IN ('blocked', 'refused', 'consented')", name=op.f("ck_decision_decided_known")
        ),
        sa.CheckConstraint(
            "(undone_at IS NULL) = (undone_by IS NULL)", name=op.f("ck_decision_undone_by_whom")
        ),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_decision_concept_uri")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["desk_user.id"], name=op.f("fk_decision_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["undone_by"], ["desk_user.id"], name=op.f("fk_decision_undone_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
    )
    op.create_index(
        "uq_decision_standing",
        "decision",
        ["data_provider", "concept_uri"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "desk_action",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("about", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["desk_user.id"], name=op.f("fk_desk_action_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_action")),
    )
    op.create_table(
        "desk_session",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column(
            "began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(token_sha256) = 32", name=op.f("ck_desk_session_token_sha256_form")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["desk_user.id"], name=op.f("fk_desk_session_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_desk_session")),
    )
    op.create_index(op.f("ix_desk_session_user_id"), "desk_session", ["user_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("data_provider", sa.Text(), nullable=True),
        sa.Column("concept_uri", sa.Text(), nullable=True),
        sa.Column("thresholds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("error", sa.Double(), nullable=False),
        sa.Column("drawn_by", sa.Integer(), nullable=False),
        sa.Column(
            "drawn_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("right_ones", sa.Integer(), nullable=True),
        sa.Column("precision", sa.Double(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'closed') = (right_ones IS NOT NULL AND precision IS NOT NULL)",
            name=op.f("ck_audit_closed_has_result"),
        ),
        sa.CheckConstraint(
            "(state = 'open') = (ended_at IS NULL)", name=op.f("ck_audit_ended_has_time")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'closed', 'abandoned')", name=op.f("ck_audit_state_known")
        ),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_because IS NULL)",
            name=op.f("ck_audit_withdrawn_has_reason"),
        ),
        sa.CheckConstraint("attempt > 0", name=op.f("ck_audit_attempt_positive")),
        sa.CheckConstraint("error > 0 AND error < 1", name=op.f("ck_audit_error_is_probability")),
        sa.CheckConstraint("precision BETWEEN 0 AND 1", name=op.f("ck_audit_precision_is_share")),
        sa.CheckConstraint(
            "right_ones BETWEEN 0 AND sample", name=op.f("ck_audit_right_ones_of_sample")
        ),
        sa.CheckConstraint("sample BETWEEN 1 AND rows", name=op.f("ck_audit_sample_of_rows")),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_audit_concept_uri")
        ),
        sa.ForeignKeyConstraint(["drawn_by"], ["desk_user.id"], name=op.f("fk_audit_drawn_by")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_audit_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(
        "ix_audit_population", "audit", ["model_id", "data_provider", "concept_uri"], unique=False
    )
    op.create_table(
        "service",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("data_provider", sa.Text(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("began_by", sa.Integer(), nullable=True),
        sa.Column(
            "began_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["began_by"], ["desk_user.id"], name=op.f("fk_service_began_by")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_service_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service")),
    )
    op.create_index(op.f("ix_service_model_id"), "service", ["model_id"], unique=False)
    op.create_index(
        "uq_service_standing",
        "service",
        ["data_provider"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    add_more_tables()
    change_tables()


def add_more_tables() -> None:
    op.create_table(
        "audit_block",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("record_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name=op.f("fk_audit_block_audit_id")),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_audit_block_concept_uri")
        ),
        sa.PrimaryKeyConstraint("audit_id", "number", name=op.f("pk_audit_block")),
    )
    op.create_table(
        "audit_draw",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name=op.f("fk_audit_draw_audit_id")),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_audit_draw_concept_uri")
        ),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_audit_draw_record_id")),
        sa.PrimaryKeyConstraint("audit_id", "place", name=op.f("pk_audit_draw")),
    )
    op.create_table(
        "refit",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("data_provider", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("asked_by", sa.Integer(), nullable=True),
        sa.Column(
            "asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("taught_id", sa.Integer(), nullable=True),
        sa.Column("renewal_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (problem IS NOT NULL OR result IS NOT NULL)",
            name=op.f("ck_refit_ended_has_outcome"),
        ),
        sa.ForeignKeyConstraint(["asked_by"], ["desk_user.id"], name=op.f("fk_refit_asked_by")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_refit_job_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_refit_model_id")),
        sa.ForeignKeyConstraint(
            ["renewal_id"], ["job.id"], name=op.f("fk_refit_renewal_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["taught_id"], ["model.id"], name=op.f("fk_refit_taught_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refit")),
    )
    op.create_index(
        "ix_refit_waiting",
        "refit",
        ["id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "verdict",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("instead_uri", sa.Text(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("audit_id", sa.Integer(), nullable=True),
        sa.Column(
            "judged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "instead_uri IS NULL OR said IN ('wrong', 'too_general')",
            name=op.f("ck_verdict_instead_of_what"),
        ),
        sa.CheckConstraint(
            "said IN ('right', 'wrong', 'too_general', 'cannot_tell')",
            name=op.f("ck_verdict_said_known"),
        ),
        sa.CheckConstraint("instead_uri <> concept_uri", name=op.f("ck_verdict_instead_differs")),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name=op.f("fk_verdict_audit_id")),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_verdict_concept_uri")
        ),
        sa.ForeignKeyConstraint(
            ["instead_uri"], ["concept.uri"], name=op.f("fk_verdict_instead_uri")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_verdict_model_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_verdict_record_id")),
        sa.ForeignKeyConstraint(["user_id"], ["desk_user.id"], name=op.f("fk_verdict_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
    )
    op.create_index(op.f("ix_verdict_audit_id"), "verdict", ["audit_id"], unique=False)
    op.create_index("ix_verdict_judged_at", "verdict", ["judged_at"], unique=False)
    op.create_index(
        "uq_verdict_standing",
        "verdict",
        ["record_id", "concept_uri", "user_id", "audit_id"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )


def change_tables() -> None:
    op.add_column(
        "dataset_item", sa.Column("weight", sa.Double(), server_default="1", nullable=False)
    )
    op.add_column(
        "job",
        sa.Column(
            "routes", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
    )
    op.add_column(
        "job_chunk", sa.Column("blocked", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.add_column("model", sa.Column("promoted_by", sa.Text(), nullable=True))
    op.create_index(
        "ix_record_data_provider", "record", [sa.text(PROVIDER_KEY), "id"], unique=False
    )
    op.create_check_constraint(
        op.f("ck_dataset_item_weight_positive"), "dataset_item", "weight > 0 AND weight <= 1000"
    )
    op.drop_constraint(op.f(SOURCES), "dataset_item")
    op.create_check_constraint(
        op.f(SOURCES), "dataset_item", "source IN ('search', 'csv', 'verdict')"
    )
    op.drop_constraint(op.f(OUTCOMES), "job_chunk")
    op.create_check_constraint(
        op.f(OUTCOMES),
        "job_chunk",
        "enriched >= 0 AND below_threshold >= 0 AND unlike >= 0 AND failed >= 0 AND blocked >= 0 AND (state NOT IN ('done', 'dead') OR enriched + below_threshold + unlike + failed + blocked = cardinality(record_ids))",
    )
    for statement in KEEP_ACTIONS:
        op.execute(statement)
    op.execute("INSERT INTO service (model_id) SELECT id FROM model WHERE stage = 'active'")


def downgrade() -> None:
    """Older programs know four outcomes: for them, blocked counts as below the threshold."""
    op.execute("DROP TRIGGER actions_are_kept ON desk_action")
    op.execute("DROP FUNCTION keep_actions")
    op.drop_constraint(op.f(OUTCOMES), "job_chunk")
    op.execute("UPDATE job_chunk SET below_threshold = below_threshold + blocked WHERE blocked > 0")
    op.create_check_constraint(
        op.f(OUTCOMES),
        "job_chunk",
        "enriched >= 0 AND below_threshold >= 0 AND unlike >= 0 AND failed >= 0 AND (state NOT IN ('done', 'dead') OR enriched + below_threshold + unlike + failed = cardinality(record_ids))",
    )
    op.drop_constraint(op.f(SOURCES), "dataset_item")
    op.execute("UPDATE dataset_item SET source = 'csv' WHERE source = 'verdict'")
    op.create_check_constraint(op.f(SOURCES), "dataset_item", "source IN ('search', 'csv')")
    op.drop_constraint(op.f("ck_dataset_item_weight_positive"), "dataset_item")
    drop_tables()


def drop_tables() -> None:
    op.drop_index("ix_record_data_provider", table_name="record")
    op.drop_column("model", "promoted_by")
    op.drop_column("job_chunk", "blocked")
    op.drop_column("job", "routes")
    op.drop_column("dataset_item", "weight")
    op.drop_index(
        "uq_verdict_standing",
        table_name="verdict",
        postgresql_where=sa.text("withdrawn_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index("ix_verdict_judged_at", table_name="verdict")
    op.drop_index(op.f("ix_verdict_audit_id"), table_name="verdict")
    op.drop_table("verdict")
    op.drop_index(
        "ix_refit_waiting", table_name="refit", postgresql_where=sa.text("ended_at IS NULL")
    )
    op.drop_table("refit")
    op.drop_table("audit_draw")
    op.drop_table("audit_block")
    op.drop_index(
        "uq_service_standing",
        table_name="service",
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index(op.f("ix_service_model_id"), table_name="service")
    op.drop_table("service")
    op.drop_index("ix_audit_population", table_name="audit")
    op.drop_table("audit")
    op.drop_index(op.f("ix_desk_session_user_id"), table_name="desk_session")
    op.drop_table("desk_session")
    op.drop_table("desk_action")
    op.drop_index(
        "uq_decision_standing",
        table_name="decision",
        postgresql_where=sa.text("undone_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.drop_table("decision")
    op.drop_index("ix_login_attempt_subject", table_name="login_attempt")
    op.drop_table("login_attempt")
    op.drop_table("desk_user")
