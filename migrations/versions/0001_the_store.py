"""the store

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "concept",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "uri !~ '^https?://data\\.europeana\\.eu/[a-z]+/base/'",
            name=op.f("ck_concept_uri_is_current"),
        ),
        sa.CheckConstraint("uri ~ '^https?://'", name=op.f("ck_concept_uri_is_http")),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_concept")),
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$'", name=op.f("ck_dataset_name_form")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("name", name=op.f("uq_dataset_name")),
    )
    op.create_table(
        "record",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("media_url", sa.Text(), nullable=True),
        sa.Column("preview_url", sa.Text(), nullable=True),
        sa.Column("rights", sa.Text(), nullable=True),
        sa.Column("data_provider", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column(
            "harvested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("id ~ '^/[A-Za-z0-9_]+/[A-Za-z0-9_]+$'", name=op.f("ck_record_id_form")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
    )
    op.create_table(
        "training_run",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dataset_fingerprint", sa.Text(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_run")),
        sa.UniqueConstraint("name", name=op.f("uq_training_run_name")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("fold", sa.SmallInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_checkpoint_sha256_form")),
        sa.CheckConstraint("fold >= 0", name=op.f("ck_checkpoint_fold_not_negative")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["training_run.id"], name=op.f("fk_checkpoint_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "fold", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "dataset_item",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "source IN ('search', 'csv')", name=op.f("ck_dataset_item_source_known")
        ),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_dataset_item_concept_uri")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_dataset_item_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["record_id"], ["record.id"], name=op.f("fk_dataset_item_record_id")
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "record_id", "concept_uri", name=op.f("pk_dataset_item")
        ),
    )
    op.create_index(op.f("ix_dataset_item_record_id"), "dataset_item", ["record_id"], unique=False)
    op.create_table(
        "harvest_cursor",
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("search", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.CheckConstraint("taken >= 0", name=op.f("ck_harvest_cursor_taken_not_negative")),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_harvest_cursor_concept_uri")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
            name=op.f("fk_harvest_cursor_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dataset_id", "concept_uri", name=op.f("pk_harvest_cursor")),
    )
    op.create_table(
        "image",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            server_default=sa.text("'-infinity'"),
            nullable=False,
        ),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(state = 'stored') = (reason IS NULL)", name=op.f("ck_image_reason_when_not_stored")
        ),
        sa.CheckConstraint(
            "(state = 'stored') = (sha256 IS NOT NULL AND path IS NOT NULL AND source IS NOT NULL AND width IS NOT NULL AND height IS NOT NULL)",
            name=op.f("ck_image_stored_is_whole"),
        ),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_image_sha256_form")),
        sa.CheckConstraint("source IN ('media', 'thumbnail')", name=op.f("ck_image_source_known")),
        sa.CheckConstraint(
            "state IN ('stored', 'failed', 'deferred')", name=op.f("ck_image_state_known")
        ),
        sa.CheckConstraint("attempts > 0", name=op.f("ck_image_attempts_positive")),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("ck_image_size_positive")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_image_record_id")),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_image")),
    )
    op.create_index(op.f("ix_image_sha256"), "image", ["sha256"], unique=False)
    op.create_table(
        "picture_verdict",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column(
            "judged_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_picture_verdict_sha256_form")
        ),
        sa.CheckConstraint(
            "verdict IN ('placeholder', 'picture')", name=op.f("ck_picture_verdict_verdict_known")
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_picture_verdict")),
    )
    op.create_table(
        "host_lease",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("slots", sa.SmallInteger(), nullable=False),
        sa.Column("pace", sa.Float(), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("pace > 0 AND pace <= 1", name=op.f("ck_host_lease_pace_is_share")),
        sa.CheckConstraint("slots >= 0", name=op.f("ck_host_lease_slots_not_negative")),
        sa.PrimaryKeyConstraint("host", "process", name=op.f("pk_host_lease")),
    )
    op.create_table(
        "model",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("labels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("thresholds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stage", sa.Text(), server_default="candidate", nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_model_sha256_form")),
        sa.CheckConstraint(
            "stage IN ('candidate', 'active', 'retired')", name=op.f("ck_model_stage_known")
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_model_version_positive")),
        sa.ForeignKeyConstraint(["run_id"], ["training_run.id"], name=op.f("fk_model_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("sha256", name=op.f("uq_model_sha256")),
    )
    op.create_index(
        "uq_model_active",
        "model",
        ["stage"],
        unique=True,
        postgresql_where=sa.text("stage = 'active'"),
    )
    op.create_index("uq_model_name_version", "model", ["name", "version"], unique=True)
    op.create_table(
        "record_alias",
        sa.Column("old_id", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "old_id ~ '^/[A-Za-z0-9_]+/[A-Za-z0-9_]+$'", name=op.f("ck_record_alias_old_id_form")
        ),
        sa.CheckConstraint("old_id <> record_id", name=op.f("ck_record_alias_moved")),
        sa.ForeignKeyConstraint(
            ["record_id"], ["record.id"], name=op.f("fk_record_alias_record_id")
        ),
        sa.PrimaryKeyConstraint("old_id", name=op.f("pk_record_alias")),
    )
    op.create_index(op.f("ix_record_alias_record_id"), "record_alias", ["record_id"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("priority", sa.Text(), server_default="bulk", nullable=False),
        sa.Column("picture", sa.Text(), server_default="auto", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("chunks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("submitter", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('done', 'cancelled'))",
            name=op.f("ck_job_finished_has_time"),
        ),
        sa.CheckConstraint(
            "picture IN ('thumbnail', 'media', 'auto')", name=op.f("ck_job_picture_known")
        ),
        sa.CheckConstraint("priority IN ('urgent', 'bulk')", name=op.f("ck_job_priority_known")),
        sa.CheckConstraint(
            "state IN ('running', 'paused', 'done', 'cancelled')",
            name=op.f("ck_job_state_known"),
        ),
        sa.CheckConstraint("chunks >= 0", name=op.f("ck_job_chunks_not_negative")),
        sa.CheckConstraint("total >= 0", name=op.f("ck_job_total_not_negative")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_job_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_job_idempotency_key")),
    )
    op.create_table(
        "enrichment",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "source IN ('media', 'thumbnail')", name=op.f("ck_enrichment_source_known")
        ),
        sa.CheckConstraint(
            "confidence BETWEEN 0 AND 1", name=op.f("ck_enrichment_confidence_is_probability")
        ),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_enrichment_concept_uri")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_enrichment_job_id")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_enrichment_model_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_enrichment_record_id")),
        sa.PrimaryKeyConstraint("record_id", "concept_uri", "model_id", name=op.f("pk_enrichment")),
    )
    op.create_index(op.f("ix_enrichment_job_id"), "enrichment", ["job_id"], unique=False)
    op.create_index(op.f("ix_enrichment_model_id"), "enrichment", ["model_id"], unique=False)
    op.create_table(
        "job_chunk",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("record_ids", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="ready", nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("retries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "lease_until",
            sa.DateTime(timezone=True),
            server_default=sa.text("'-infinity'"),
            nullable=False,
        ),
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            server_default=sa.text("'-infinity'"),
            nullable=False,
        ),
        sa.Column(
            "hinted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("'-infinity'"),
            nullable=False,
        ),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("enriched", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("below_threshold", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "enriched >= 0 AND below_threshold >= 0 AND failed >= 0 AND (state NOT IN ('done', 'dead') OR enriched + below_threshold + failed = cardinality(record_ids))",
            name=op.f("ck_job_chunk_outcomes_add_up"),
        ),
        sa.CheckConstraint(
            "(settled_at IS NOT NULL) = (state IN ('done', 'dead'))",
            name=op.f("ck_job_chunk_settled_has_time"),
        ),
        sa.CheckConstraint(
            "state IN ('ready', 'leased', 'done', 'dead')", name=op.f("ck_job_chunk_state_known")
        ),
        sa.CheckConstraint(
            "attempt >= 0 AND retries >= 0 AND token >= attempt",
            name=op.f("ck_job_chunk_token_covers_attempts"),
        ),
        sa.CheckConstraint(
            "cardinality(record_ids) BETWEEN 0 AND 256",
            name=op.f("ck_job_chunk_record_ids_bounded"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_chunk_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_chunk")),
    )
    op.create_index(
        "ix_job_chunk_leased",
        "job_chunk",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'leased'"),
    )
    op.create_index(
        "ix_job_chunk_ready",
        "job_chunk",
        ["job_id", "number"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_job_chunk_hinted",
        "job_chunk",
        ["hinted_at"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_table(
        "job_failure",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint(
            "stage IN ('resolve', 'fetch', 'decode', 'classify', 'worker')",
            name=op.f("ck_job_failure_stage_known"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_failure_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "record_id", name=op.f("pk_job_failure")),
    )


def downgrade() -> None:
    op.drop_table("job_failure")
    op.drop_index(
        "ix_job_chunk_hinted", table_name="job_chunk", postgresql_where=sa.text("state = 'ready'")
    )
    op.drop_index(
        "ix_job_chunk_ready", table_name="job_chunk", postgresql_where=sa.text("state = 'ready'")
    )
    op.drop_index(
        "ix_job_chunk_leased", table_name="job_chunk", postgresql_where=sa.text("state = 'leased'")
    )
    op.drop_table("job_chunk")
    op.drop_index(op.f("ix_enrichment_model_id"), table_name="enrichment")
    op.drop_index(op.f("ix_enrichment_job_id"), table_name="enrichment")
    op.drop_table("enrichment")
    op.drop_table("job")
    op.drop_index(op.f("ix_record_alias_record_id"), table_name="record_alias")
    op.drop_table("record_alias")
    op.drop_index("uq_model_name_version", table_name="model")
    op.drop_index(
        "uq_model_active", table_name="model", postgresql_where=sa.text("stage = 'active'")
    )
    op.drop_table("model")
    op.drop_index(op.f("ix_image_sha256"), table_name="image")
    op.drop_table("image")
    op.drop_table("host_lease")
    op.drop_table("picture_verdict")
    op.drop_index(op.f("ix_dataset_item_record_id"), table_name="dataset_item")
    op.drop_table("harvest_cursor")
    op.drop_table("dataset_item")
    op.drop_table("checkpoint")
    op.drop_table("training_run")
    op.drop_table("record")
    op.drop_table("dataset")
    op.drop_table("concept")
