"""Vocabularies: which labels a dataset and a model use for concepts, in a version that stays."""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, CheckConstraint, ForeignKey, Identity, Index, event, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from common.store.tables.base import Base


class KeptVocabulary(Base):
    """A version of a vocabulary. It never changes: the next import is the next version.

    `source` says where it came from, for people. `fingerprint` is that of `Vocabulary`.
    """

    __tablename__ = "vocabulary"
    __table_args__ = (
        CheckConstraint("name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]*$'", name="name_form"),
        CheckConstraint("version > 0", name="version_positive"),
        Index("uq_vocabulary_name_version", "name", "version", unique=True),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    fingerprint: Mapped[str]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class KeptConcept(Base):
    """A concept as a version of a vocabulary has it; see `VocabularyConcept`.

    `labels` and `definitions` map languages to texts, `alternatives` to lists of texts.
    """

    __tablename__ = "vocabulary_concept"
    __table_args__ = (
        Index("uq_vocabulary_concept_category", "vocabulary_id", "category", unique=True),
        Index(
            "ix_vocabulary_concept_broader",
            "broader",
            postgresql_using="gin",
            postgresql_with={"fastupdate": False},  # else each question reads what is pending
        ),
    )

    vocabulary_id: Mapped[int] = mapped_column(ForeignKey("vocabulary.id"), primary_key=True)
    concept_uri: Mapped[str] = mapped_column(
        ForeignKey("concept.uri"), primary_key=True, index=True
    )
    category: Mapped[str]
    labels: Mapped[dict[str, Any]] = mapped_column(JSONB)
    alternatives: Mapped[dict[str, Any]] = mapped_column(JSONB)
    definitions: Mapped[dict[str, Any]] = mapped_column(JSONB)
    broader: Mapped[list[str]] = mapped_column(ARRAY(Text))
    exact_matches: Mapped[list[str]] = mapped_column(ARRAY(Text))
    notation: Mapped[str | None]


CATEGORY_OF = """
CREATE FUNCTION category_of(of_vocabulary integer, of_concept text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT category FROM vocabulary_concept
         WHERE vocabulary_id = of_vocabulary AND concept_uri = of_concept),
        (SELECT label FROM concept WHERE uri = of_concept))
$$
"""
# Without a vocabulary, or if it lacks the concept, the one that named the concept has the label.
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


def label_sql(vocabulary: str, concept: str) -> str:
    """SQL of the label in the reader's language (`READER`), of SQL for a vocabulary and a URI.

    `languages` is a parameter of the statement.
    """
    return f"concept_label({vocabulary}, {concept}, CAST(:languages AS text[]))"


for _function in (CATEGORY_OF, CONCEPT_LABEL):
    event.listen(Base.metadata, "after_create", DDL(_function))  # type: ignore[no-untyped-call]
