"""named vocabularies in the store; datasets and models say which one they use

Older datasets and models have no vocabulary. They keep the labels in the table `concept`, which
no command changes.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

REFERENCES = {"concept": "named_by", "dataset": "vocabulary_id", "model": "vocabulary_id"}
CATEGORY_OF = """
CREATE FUNCTION category_of(of_vocabulary integer, of_concept text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT category FROM vocabulary_concept
         WHERE vocabulary_id = of_vocabulary AND concept_uri = of_concept),
        (SELECT label FROM concept WHERE uri = of_concept))
$$
"""
CONCEPT_LABEL = """
CREATE FUNCTION concept_label(of_vocabulary integer, of_concept text, languages text[])
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT named.labels ->> wanted.language
         FROM vocabulary_concept AS named CROSS JOIN LATERAL (
            SELECT language, place
            FROM unnest(languages || ARRAY['en', '']) WITH ORDINALITY AS asked(language, place)
            UNION ALL SELECT language, 1000 FROM jsonb_object_keys(named.labels) AS language
         ) AS wanted(language, place)
         WHERE named.concept_uri = concept.uri AND named.labels ? wanted.language
           AND named.vocabulary_id IN (of_vocabulary, concept.named_by)
         ORDER BY (named.vocabulary_id = of_vocabulary) DESC NULLS LAST, place,
                  wanted.language COLLATE "C"
         LIMIT 1),
        concept.label)
    FROM concept WHERE uri = of_concept
$$
"""


def upgrade() -> None:
    op.create_table(
        "vocabulary",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.CheckConstraint(
            "name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$'", name=op.f("ck_vocabulary_name_form")
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_vocabulary_version_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vocabulary")),
    )
    op.create_index("uq_vocabulary_name_version", "vocabulary", ["name", "version"], unique=True)
    op.create_table(
        "vocabulary_concept",
        sa.Column("vocabulary_id", sa.Integer(), nullable=False),
        sa.Column("concept_uri", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("labels", JSONB(), nullable=False),
        sa.Column("alternatives", JSONB(), nullable=False),
        sa.Column("definitions", JSONB(), nullable=False),
        sa.Column("broader", ARRAY(sa.Text()), nullable=False),
        sa.Column("exact_matches", ARRAY(sa.Text()), nullable=False),
        sa.Column("notation", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["vocabulary_id"],
            ["vocabulary.id"],
            name=op.f("fk_vocabulary_concept_vocabulary_id"),
        ),
        sa.ForeignKeyConstraint(
            ["concept_uri"], ["concept.uri"], name=op.f("fk_vocabulary_concept_concept_uri")
        ),
        sa.PrimaryKeyConstraint("vocabulary_id", "concept_uri", name=op.f("pk_vocabulary_concept")),
    )
    op.create_index(
        op.f("ix_vocabulary_concept_concept_uri"), "vocabulary_concept", ["concept_uri"]
    )
    op.create_index(
        "uq_vocabulary_concept_category",
        "vocabulary_concept",
        ["vocabulary_id", "category"],
        unique=True,
    )
    op.create_index(
        "ix_vocabulary_concept_broader",
        "vocabulary_concept",
        ["broader"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": False},
    )
    op.create_index(
        "ix_verdict_shown",
        "verdict",
        [sa.text("coalesce(instead_uri, concept_uri)"), "judged_at"],
        postgresql_where=sa.text(
            "withdrawn_at IS NULL AND (said = 'right' OR instead_uri IS NOT NULL)"
        ),
    )
    for table, column in REFERENCES.items():
        op.execute(  # in one statement, because older programs do not write the column
            f"ALTER TABLE {table} ADD COLUMN {column} integer "
            f"CONSTRAINT fk_{table}_{column} REFERENCES vocabulary (id)"
        )
    op.execute(CATEGORY_OF)
    op.execute(CONCEPT_LABEL)


def downgrade() -> None:
    op.execute("DROP FUNCTION concept_label, category_of")
    op.drop_index("ix_verdict_shown", "verdict")
    for table, column in REFERENCES.items():
        op.drop_column(table, column)
    op.drop_table("vocabulary_concept")
    op.drop_table("vocabulary")
