"""encoders, the pictures that they saw, and saved embeddings

Revision ID: 0007
Revises: 0006
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from common.errors import StoreError
from common.store.tables.seen import HalfVector

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MISSING = (
    "Postgres has no extension `vector` (pgvector 0.7 or newer), which stores embeddings. Install "
    "it on the database's machine (Debian: postgresql-18-pgvector; containers: the image "
    "pgvector/pgvector:pg18). Then run the migration again. The database is unchanged."
)
OLD = (
    "The extension `vector` (pgvector) in Postgres is older than 0.7 and has no halfvec. Install a "
    "newer version and let an administrator run ALTER EXTENSION vector UPDATE; in this database. "
    "Then run the migration again. The database is unchanged."
)
NOT_ALLOWED = (
    "This user may not add the extension `vector` to the database. Let an administrator run CREATE "
    "EXTENSION vector; in this database. Then run the migration again. The database is unchanged."
)


ADDED: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("job", sa.Column("also_models", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False)),
    ("job", sa.Column("look_again", sa.Boolean(), server_default=sa.text("false"), nullable=False)),
    ("job", sa.Column("max_age", sa.Interval(), nullable=True)),
    ("job_chunk", sa.Column("read", sa.SmallInteger(), server_default="0", nullable=False)),
    ("enrichment", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True)),
)


def upgrade() -> None:
    _add_pgvector()
    op.create_table(
        "encoder",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("licence", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_encoder_sha256_form")),
        sa.CheckConstraint(
            "dimension BETWEEN 1 AND 4000", name=op.f("ck_encoder_dimension_fits_a_page")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encoder")),
        sa.UniqueConstraint("name", name=op.f("uq_encoder_name")),
        sa.UniqueConstraint("sha256", name=op.f("uq_encoder_sha256")),
    )
    op.create_table(
        "picture_seen",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint(
            "source IN ('media', 'thumbnail')", name=op.f("ck_picture_seen_source_known")
        ),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_picture_seen_sha256_form")),
        sa.PrimaryKeyConstraint("record_id", "source", name=op.f("pk_picture_seen")),
    )
    op.create_table(
        "embedding",
        sa.Column("encoder_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("vector", HalfVector(), nullable=False),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoder.id"], name=op.f("fk_embedding_encoder_id")
        ),
        sa.PrimaryKeyConstraint("encoder_id", "sha256", name=op.f("pk_embedding")),
        postgresql_partition_by="LIST (encoder_id)",
    )
    op.execute(
        "ALTER TABLE model ADD COLUMN encoder_id integer"
        " CONSTRAINT fk_model_encoder_id REFERENCES encoder (id)"
    )
    for table, column in ADDED:
        op.add_column(table, column)


def _add_pgvector() -> None:
    """Raises StoreError if Postgres does not have the extension, or this user may not add it."""
    if op.get_context().as_sql:  # no database to ask
        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
        return
    connection = op.get_bind()
    if connection.scalar(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")):
        _check_halfvec(connection)
        return
    offers = sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
    if not connection.scalar(offers):
        raise StoreError(MISSING)
    try:
        op.execute("CREATE EXTENSION vector")
    except sa.exc.ProgrammingError as error:
        raise StoreError(NOT_ALLOWED) from error
    _check_halfvec(connection)


def _check_halfvec(connection: sa.Connection) -> None:
    """Raises StoreError if the extension is older than its 16-bit vectors."""
    if not connection.scalar(sa.text("SELECT 1 FROM pg_type WHERE typname = 'halfvec'")):
        raise StoreError(OLD)


def downgrade() -> None:
    for table, column in ADDED:
        op.drop_column(table, column.name)
    op.drop_column("model", "encoder_id")
    op.drop_table("embedding")
    op.drop_table("picture_seen")
    op.drop_table("encoder")
