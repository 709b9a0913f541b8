"""The labels of a record in a dataset: the vocabulary concepts that it has at Europeana.

In `multi` mode every record with at least one concept enters, with all of them. In `single` mode a
record enters only if it has exactly one concept: with two, a classifier that chooses one category
would learn that the other is wrong. A concept above another one of the record does not count there.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sqlalchemy import Connection, text

from common.europeana.metadata import RecordMetadata
from common.store.bulk import upsert
from common.store.records import save_aliases, save_records
from common.store.tables import DatasetItem
from common.vocabulary.concepts import Vocabulary
from harvester.datasets.operations import ensure_dataset
from harvester.datasets.vocabulary import ChosenVocabulary, use_vocabulary
from harvester.records.searched import SearchedConcepts

Mode = Literal["single", "multi"]

_LOSE_LABELS = text("""
    DELETE FROM dataset_item
    WHERE dataset_id = :dataset AND source = 'search' AND record_id = ANY(:record_ids)
        AND concept_uri = ANY(:vocabulary)
        AND (record_id, concept_uri) NOT IN (
            SELECT * FROM unnest(CAST(:kept_ids AS text[]), CAST(:kept_concepts AS text[]))
        )
""")
_MOVE_LABELS = text("""
    WITH moved AS (
        SELECT * FROM unnest(CAST(:old AS text[]), CAST(:new AS text[])) AS moved(old_id, new_id)
    ), left_behind AS (
        DELETE FROM dataset_item USING moved
        WHERE dataset_id = :dataset AND record_id = moved.old_id
        RETURNING moved.new_id, concept_uri, source
    )
    INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source)
    SELECT :dataset, new_id, concept_uri, min(source) FROM left_behind GROUP BY 2, 3
    ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True)
class Labelling:
    """The concepts of a dataset, and the rule that gives them to records.

    `rename`: what the dataset calls otherwise gets the labels of the vocabulary. `narrower`: what
    is below a concept stands for it as well. `chosen` are the concepts, by URI; without any all of
    the vocabulary.
    """

    given: ChosenVocabulary
    mode: Mode = "multi"
    rename: bool = False
    narrower: bool = False
    chosen: tuple[str, ...] = ()

    @cached_property
    def searched(self) -> SearchedConcepts:
        """Raises VocabularyError: a URI would stand for two concepts."""
        is_single = self.mode == "single"
        return SearchedConcepts(
            self.vocabulary, self.chosen, narrower=self.narrower, nearest=is_single
        )

    @property
    def vocabulary(self) -> Vocabulary:
        return self.given.content

    @property
    def categories(self) -> Mapping[str, str]:
        """Concept URIs by category."""
        return self.searched.categories

    def of_record(self, record: RecordMetadata, *, known: Collection[str] = ()) -> frozenset[str]:
        """The concepts with which a record enters a dataset; empty if it does not enter.

        Args:
            known: concepts that the record has, even if its metadata do not list them.
        """
        concepts = self.concepts_on(record) | frozenset(known)
        if self.mode == "multi":
            return concepts
        nearest = self.searched.nearest(concepts)
        return nearest if len(nearest) == 1 else frozenset()

    def concepts_on(self, record: RecordMetadata) -> frozenset[str]:
        return self.searched.named_by(record.concepts)


def prepare_dataset(connection: Connection, name: str, labelling: Labelling) -> int:
    """The number of a dataset that uses the vocabulary; makes the dataset if needed.

    Raises:
        UsageError: the name has other characters than a dataset's name may have, or the dataset has
            other labels for some concepts.
    """
    dataset = ensure_dataset(connection, name)
    use_vocabulary(connection, dataset, labelling.given, rename=labelling.rename)
    return dataset


def has_picture(record: RecordMetadata) -> bool:
    """Whether a record has a file or a thumbnail; a classifier cannot learn from others."""
    return record.media_url is not None or record.preview_url is not None


def save_labelled(
    connection: Connection,
    dataset: int,
    labels: Sequence[tuple[RecordMetadata, Collection[str]]],
) -> int:
    """Store records, and put those with labels into a dataset. Returns how many changed."""
    changed = save_records(connection, [record for record, _ in labels])
    items = (
        (dataset, record.id, concept, "search")
        for record, concepts in labels
        for concept in concepts
    )
    columns = ("dataset_id", "record_id", "concept_uri", "source")
    upsert(connection, DatasetItem.__table__, columns, items)
    return changed


def rekey(connection: Connection, dataset: int, moved: Mapping[str, str]) -> None:
    """Store former IDs (`moved`: former to present), and move the labels that a dataset has there.

    The records must be in the store under their present IDs.
    """
    if not moved:
        return
    save_aliases(connection, moved)
    ids = {"old": list(moved), "new": list(moved.values())}
    connection.execute(_MOVE_LABELS, {"dataset": dataset, **ids})


def remove_lost_labels(
    connection: Connection,
    dataset: int,
    labels: Mapping[str, Collection[str]],
    *,
    vocabulary: Collection[str],
) -> int:
    """Remove harvested labels that records no longer have; returns how many.

    Args:
        labels: ID to present labels of each record.
    """
    kept = [(record_id, concept) for record_id, has in labels.items() for concept in has]
    return connection.execute(
        _LOSE_LABELS,
        {
            "dataset": dataset,
            "record_ids": list(labels),
            "vocabulary": list(vocabulary),
            "kept_ids": [record_id for record_id, _ in kept],
            "kept_concepts": [concept for _, concept in kept],
        },
    ).rowcount
