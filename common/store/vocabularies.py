"""Vocabularies in the store, by name and version. A version never changes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.dialects.postgresql import insert

from common.errors import UsageError
from common.store.bulk import upsert
from common.store.tables import Concept, KeptConcept, KeptVocabulary
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, with_categories

_REFERENCE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,99})(?:@(?P<version>[0-9]{1,9}))?")
_FIELDS = tuple(each.name for each in fields(VocabularyConcept))
_COLUMNS = ("vocabulary_id", "concept_uri", *_FIELDS[1:])
_LIST = text("""
    SELECT vocabulary.name, version, source, vocabulary.created_at,
           (SELECT count(*) FROM vocabulary_concept WHERE vocabulary_id = vocabulary.id)
               AS concepts,
           ARRAY(SELECT DISTINCT language FROM vocabulary_concept
                 CROSS JOIN LATERAL jsonb_object_keys(labels) AS language
                 WHERE vocabulary_id = vocabulary.id AND language > '' ORDER BY language)
               AS languages,
           ARRAY(SELECT name FROM dataset WHERE vocabulary_id = vocabulary.id ORDER BY name)
               AS datasets,
           ARRAY(SELECT name || '@' || version FROM model WHERE vocabulary_id = vocabulary.id
                 ORDER BY id) AS models
    FROM vocabulary ORDER BY vocabulary.name COLLATE "C", version
""")
_AGREEING = text("""
    SELECT vocabulary.id, vocabulary.name, version FROM vocabulary
    JOIN vocabulary_concept AS kept ON kept.vocabulary_id = vocabulary.id
    JOIN unnest(CAST(:uris AS text[]), CAST(:categories AS text[])) AS asked(uri, category)
      ON asked.uri = kept.concept_uri AND asked.category = kept.category
    GROUP BY vocabulary.id
    HAVING count(*) = cardinality(CAST(:uris AS text[]))
    ORDER BY vocabulary.name || '@' || version = :named DESC, vocabulary.id LIMIT 1
""")


@dataclass(frozen=True)
class VocabularyVersion:
    """A version of a vocabulary in the store, as people name it: `museum@2`."""

    id: int
    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class VocabularySummary:
    """A version in the list: what it has, and which datasets and models use it."""

    name: str
    version: int
    concepts: int
    languages: list[str]
    source: str
    datasets: list[str]
    models: list[str]
    created_at: datetime


def list_vocabularies(connection: Connection) -> list[VocabularySummary]:
    return [VocabularySummary(**row) for row in connection.execute(_LIST).mappings()]


def keep_vocabulary(
    connection: Connection, name: str, vocabulary: Vocabulary, *, source: str
) -> tuple[VocabularyVersion, bool]:
    """The version with this content, and whether it is new.

    What differs from the newest version becomes the next one; nothing that uses another changes.

    Raises:
        UsageError: the name is malformed.
    """
    found = _REFERENCE.fullmatch(name)
    if found is None or found["version"]:
        raise UsageError(
            f"{name!r} cannot be the name of a vocabulary; use the letters a to z, digits, dots, "
            "dashes and underscores, a hundred at most."
        )
    connection.execute(text("LOCK TABLE vocabulary IN SHARE ROW EXCLUSIVE MODE"))
    newest = _newest(connection, name)
    if newest is not None and newest.fingerprint == vocabulary.fingerprint:
        return VocabularyVersion(newest.id, name, newest.version), False
    version: int = newest.version + 1 if newest else 1
    number = connection.execute(
        insert(KeptVocabulary)
        .values(name=name, version=version, fingerprint=vocabulary.fingerprint, source=source)
        .returning(KeptVocabulary.id)
    ).scalar_one()
    _save(connection, number, vocabulary)
    return VocabularyVersion(number, name, version), True


def find_vocabulary(connection: Connection, reference: str) -> VocabularyVersion:
    """The version that `NAME@VERSION` names, or the newest one of NAME.

    Raises:
        UsageError: there is none; the message names those that exist.
    """
    named = _REFERENCE.fullmatch(reference)
    if named is not None:
        kept = KeptVocabulary
        asked = select(kept.id, kept.version).where(kept.name == named["name"])
        if named["version"]:
            asked = asked.where(kept.version == int(named["version"]))
        if row := connection.execute(asked.order_by(kept.version.desc()).limit(1)).first():
            return VocabularyVersion(row.id, named["name"], row.version)
    known = [f"{each.name}@{each.version}" for each in list_vocabularies(connection)]
    there_are = f"there are: {', '.join(known)}" if known else "there is none yet"
    raise UsageError(f"There is no vocabulary {reference!r}; {there_are}.")


def vocabulary_of_model(
    connection: Connection, categories: Mapping[str, str], *, named: str, model: str
) -> VocabularyVersion:
    """The version that has the concepts of a model under these categories, which are by URI.

    That is the one that its training `named`, else the oldest. If there is none, the categories
    become labels of a vocabulary of the model's own: no model is refused, and none is renamed.
    """
    asked = {"uris": list(categories), "categories": list(categories.values()), "named": named}
    if row := connection.execute(_AGREEING, asked).first():
        return VocabularyVersion(row.id, row.name, row.version)
    own = [
        VocabularyConcept(uri=uri, category=category, labels={"": category})
        for uri, category in sorted(categories.items(), key=lambda each: each[::-1])
    ]
    if len(set(categories.values())) < len(own):  # a store of before could have a label twice
        own = with_categories(own)
    # Not the model's name alone: it would be the newest version of someone's vocabulary.
    version, _ = keep_vocabulary(
        connection, f"model-{model}", Vocabulary(tuple(own)), source=f"model {model}"
    )
    return version


def version_of(connection: Connection, vocabulary_id: int | None) -> VocabularyVersion | None:
    if vocabulary_id is None:
        return None
    kept = KeptVocabulary
    row = connection.execute(
        select(kept.id, kept.name, kept.version).where(kept.id == vocabulary_id)
    ).one()
    return VocabularyVersion(row.id, row.name, row.version)


def read_kept(connection: Connection, vocabulary_id: int) -> Vocabulary:
    """The content of a version."""
    columns = [getattr(KeptConcept, name) for name in _COLUMNS[1:]]
    rows = connection.execute(
        select(*columns)
        .where(KeptConcept.vocabulary_id == vocabulary_id)
        .order_by(KeptConcept.category.collate("C"))
    )
    return Vocabulary(tuple(_concept(row) for row in rows))


def _newest(connection: Connection, name: str) -> Any:
    kept = KeptVocabulary
    asked = select(kept.id, kept.version, kept.fingerprint).where(kept.name == name)
    return connection.execute(asked.order_by(kept.version.desc()).limit(1)).first()


def _save(connection: Connection, number: int, vocabulary: Vocabulary) -> None:
    known = ((each.uri, each.category, number) for each in vocabulary.concepts)
    upsert(connection, Concept.__table__, ("uri", "label", "named_by"), known)
    rows = ((number, *_row(each)) for each in vocabulary.concepts)
    upsert(connection, KeptConcept.__table__, _COLUMNS, rows)


def _row(concept: VocabularyConcept) -> tuple[Any, ...]:
    return tuple(
        list(value) if isinstance(value, tuple) else value
        for value in (getattr(concept, name) for name in _FIELDS)
    )


def _concept(row: Row[Any]) -> VocabularyConcept:
    return VocabularyConcept(
        uri=row.concept_uri,
        category=row.category,
        labels=row.labels,
        alternatives={language: tuple(texts) for language, texts in row.alternatives.items()},
        definitions=row.definitions,
        broader=tuple(row.broader),
        exact_matches=tuple(row.exact_matches),
        notation=row.notation,
    )
