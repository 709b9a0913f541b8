"""The vocabulary of a dataset: it names the categories, and changes only if someone says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.store.vocabularies import (
    VocabularyVersion,
    find_vocabulary,
    keep_vocabulary,
    read_kept,
)
from common.vocabulary.concepts import Vocabulary
from common.vocabulary.reading import name_of, read_vocabulary

_SHOWN = 5  # changes in a message
_USED = text("SELECT vocabulary_id FROM dataset WHERE id = :dataset FOR UPDATE")
_USE = text("UPDATE dataset SET vocabulary_id = :vocabulary WHERE id = :dataset")
NAMED_CATEGORIES = """
    named AS (
        SELECT concept_uri, category_of(dataset.vocabulary_id, concept_uri) AS category
        FROM dataset CROSS JOIN LATERAL (
            SELECT DISTINCT concept_uri FROM dataset_item WHERE dataset_id = dataset.id) AS item
        WHERE dataset.id = :dataset
    )
"""
"""SQL: the categories of a dataset's concepts, which its vocabulary names."""
_CATEGORIES = text(f"WITH {NAMED_CATEGORIES} SELECT * FROM named ORDER BY concept_uri")


@dataclass(frozen=True, kw_only=True)
class ChosenVocabulary:
    """The vocabulary that a command is given: a file, or a version that the store has."""

    content: Vocabulary
    name: str
    source: str
    version: VocabularyVersion | None = None

    @classmethod
    def of_file(cls, path: Path) -> "ChosenVocabulary":
        """Raises VocabularyError: see `read_vocabulary`."""
        return cls(content=read_vocabulary(path), name=name_of(path), source=path.name)

    @classmethod
    def of_store(cls, engine: Engine, reference: str) -> "ChosenVocabulary":
        """Raises UsageError: the store has no such vocabulary."""
        with engine.connect() as connection:
            version = find_vocabulary(connection, reference)
            content = read_kept(connection, version.id)
        return cls(content=content, name=version.name, source="", version=version)

    def keep(self, connection: Connection) -> VocabularyVersion:
        """Its version in the store, which is made if a file has another content."""
        if self.version is not None:
            return self.version
        return keep_vocabulary(connection, self.name, self.content, source=self.source)[0]


def use_vocabulary(
    connection: Connection, dataset: int, chosen: ChosenVocabulary, *, rename: bool = False
) -> None:
    """Have a dataset use a vocabulary.

    Args:
        rename: also if labels of the dataset change by it.

    Raises:
        UsageError: labels would change, and `rename` is not set; names some.
    """
    version = chosen.keep(connection)
    used = connection.execute(_USED, {"dataset": dataset}).scalar_one()
    if used == version.id:
        return
    changes = list(islice(_changes(connection, dataset, used, chosen.content), _SHOWN + 1))
    if changes and not rename:
        more = ", and more" if len(changes) > _SHOWN else ""
        raise UsageError(
            f"The vocabulary {version} has other labels than the dataset: "
            f"{'; '.join(changes[:_SHOWN])}{more}. The dataset is unchanged. Use the dataset's own "
            "vocabulary (harvester vocabulary list), another --dataset, or use "
            "--rename-labels to give the dataset the new labels."
        )
    connection.execute(_USE, {"vocabulary": version.id, "dataset": dataset})


def _changes(
    connection: Connection, dataset: int, used: int | None, new: Vocabulary
) -> Iterator[str]:
    """What a vocabulary calls otherwise than the dataset does; new labels are no change."""
    old = read_kept(connection, used).by_uri if used is not None else {}
    for uri, category in connection.execute(_CATEGORIES, {"dataset": dataset}).all():
        known, now = old.get(uri), new.by_uri.get(uri)
        if now is None:
            yield f"it lacks {category} ({uri})"
        elif now.category != category:
            yield f"{uri} is {category!r} in the dataset and {now.category!r} here"
        elif known is not None:
            for language, label in known.labels.items():
                if now.labels.get(language) != label:
                    tag, here = language or "no language", now.labels.get(language, "")
                    yield f"{category} is {label!r} ({tag}) in the dataset and {here!r} here"
