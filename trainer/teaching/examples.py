"""What a refit learns from: the labels that the model was trained on, and those of verdicts.

A refit uses the saved embeddings of the model's encoder, so it needs no picture files. If a record
has a verdict, the verdict replaces its old label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, text

from common.errors import DatasetError
from common.process.terminal.counting import counted
from common.store.embeddings import kept_vectors
from common.store.records import find_dataset
from common.store.teaching.verdicts import taught_labels
from common.vision.answers.heads import Embeddings
from common.vision.bundle import Description
from trainer.data.near_duplicates import grouped, pairs_by_embedding
from trainer.data.split import Indices

FEWEST = 10  # verdicts with a label; fewer are hardly better than chance
MOST_OLD = 10_000  # old labels that a head learns from, spread evenly over the concepts
MOST_COMPARED = 2_000  # of these that are in the cross-validations
_DATASET = "dataset "  # start of a model's origin, if it was trained on a dataset


@dataclass(frozen=True, kw_only=True, eq=False)
class TeachingExamples:
    """Labelled embeddings (n, dimension): first `old` ones, then the judged, in that order.

    `pictures` are the sha256 of the files, `labels` (n,) positions of the model's concepts.
    `records` are the IDs of the judged ones. `weights` (n,) are relative to others of the same
    kind, old or judged. `other_providers` (old,) is true if an old one is from another data
    provider than the verdicts.
    """

    pictures: tuple[bytes, ...]
    records: tuple[str, ...]
    embeddings: Embeddings
    labels: Indices
    weights: NDArray[np.float64]
    old: int
    other_providers: NDArray[np.bool_]
    classes: int

    @property
    def judged(self) -> int:
        return len(self.labels) - self.old

    @property
    def compared(self) -> Indices:
        """The rows that are in cross-validations: the first old ones, and the judged."""
        return np.concatenate(
            [np.arange(min(self.old, MOST_COMPARED)), np.arange(self.old, len(self.labels))]
        )

    def some(self, rows: Indices) -> "TeachingExamples":
        """Some of the examples, by ascending rows."""
        old = int((rows < self.old).sum())
        return TeachingExamples(
            pictures=tuple(self.pictures[row] for row in rows),
            records=tuple(self.records[row - self.old] for row in rows[old:]),
            embeddings=self.embeddings[rows],
            labels=self.labels[rows],
            weights=self.weights[rows],
            old=old,
            other_providers=self.other_providers[rows[:old]],
            classes=self.classes,
        )

    def groups(self) -> Indices:
        """The group (n,) of near-duplicates of each: the same file, or near as embeddings."""
        first: dict[bytes, int] = {}
        same = [(first.setdefault(each, row), row) for row, each in enumerate(self.pictures)]
        pairs, alike = np.array(same, dtype=np.int64), pairs_by_embedding(self.embeddings)
        both = pairs if alike is None else np.concatenate([pairs, alike])
        return grouped(both, len(self.pictures))


@dataclass(frozen=True, kw_only=True, eq=False)
class TaughtPictures:
    """The examples of a refit, and how many judged records it cannot use.

    `disputed`: reviewers disagree. `unlabelled`: the verdict names no concept. `unknown`: the model
    does not have the concept. `without_embedding`: no embedding of the picture is saved.
    """

    examples: TeachingExamples
    disputed: int
    unlabelled: int
    unknown: int
    without_embedding: int


_OLD = text("""
    WITH labelled AS (
        SELECT record_id, min(concept_uri) AS concept_uri, min(weight) AS weight
        FROM dataset_item WHERE dataset_id = :dataset GROUP BY record_id HAVING count(*) = 1
    ), pictured AS (
        SELECT labelled.*, decode(image.sha256, 'hex') AS picture, record.data_provider,
               min(concept_uri) OVER same_picture = max(concept_uri) OVER same_picture AS is_clear
        FROM labelled JOIN image USING (record_id) JOIN record ON record.id = labelled.record_id
        WHERE image.state = 'stored' AND concept_uri = ANY(CAST(:uris AS text[]))
        WINDOW same_picture AS (PARTITION BY image.sha256)
    ), kept AS (
        SELECT *, row_number() OVER (PARTITION BY concept_uri ORDER BY md5(record_id)) AS place
        FROM pictured
        WHERE is_clear AND NOT record_id = ANY(CAST(:judged AS text[]))
          AND NOT picture = ANY(CAST(:pictures AS bytea[]))
          AND EXISTS (SELECT FROM embedding
                      WHERE encoder_id = :encoder_id AND embedding.sha256 = picture)
    )
    SELECT concept_uri, weight, picture, data_provider FROM kept
    ORDER BY place, concept_uri COLLATE "C" LIMIT :most
""")
_SEEN = text("""
    SELECT DISTINCT ON (seen.record_id) seen.record_id, seen.sha256
    FROM picture_seen AS seen
    JOIN embedding ON embedding.encoder_id = :encoder_id AND embedding.sha256 = seen.sha256
    WHERE seen.record_id = ANY(CAST(:record_ids AS text[]))
    ORDER BY seen.record_id, seen.source = :usual DESC, seen.seen_at DESC
""")


def read_examples(
    connection: Connection, description: Description, encoder_id: int, *, data_provider: str
) -> TaughtPictures:
    """What a model learns from the verdicts on a data provider's records.

    Raises:
        DatasetError: there are too few verdicts or none of the old labels; the message says which.
        UsageError: the dataset that the model was trained on is gone.
    """
    label_of = {uri: label for label, uri in enumerate(description.concept_uris)}
    found = taught_labels(connection, data_provider=data_provider)
    known = {
        r.record_id: label_of[r.concepts[0]] for r in found.records if r.concepts[0] in label_of
    }
    asked = {"encoder_id": encoder_id, "record_ids": list(known)}
    rows = connection.execute(_SEEN, asked | {"usual": description.picture_source})
    seen = {row.record_id: bytes(row.sha256) for row in rows}
    judged = [
        (seen[record_id], label, 1.0) for record_id, label in known.items() if record_id in seen
    ]
    check_enough(np.array([label for _, label, _ in judged], dtype=np.int64), data_provider)
    old = _old_rows(connection, description, encoder_id, seen)
    pictures = {bytes(row.picture) for row in old} | {picture for picture, _, _ in judged}
    vectors = kept_vectors(connection, encoder_id, pictures)
    all_of_them = [(row.picture, label_of[row.concept_uri], row.weight) for row in old] + judged
    examples = TeachingExamples(
        pictures=tuple(bytes(picture) for picture, _, _ in all_of_them),
        records=tuple(record_id for record_id in known if record_id in seen),
        embeddings=np.stack([vectors[bytes(picture)] for picture, _, _ in all_of_them]),
        labels=np.array([label for _, label, _ in all_of_them], dtype=np.int64),
        weights=np.array([weight for _, _, weight in all_of_them], dtype=np.float64),
        old=len(old),
        other_providers=np.array([row.data_provider != data_provider for row in old]),
        classes=len(label_of),
    )
    return TaughtPictures(
        examples=examples,
        disputed=found.disputed,
        unlabelled=found.unlabelled,
        unknown=len(found.records) - len(known),
        without_embedding=len(known) - len(judged),
    )


def check_enough(labels: Indices, data_provider: str) -> None:
    """Refuse verdicts that cannot teach: too few, or all of one concept.

    Raises:
        DatasetError: says what is missing.
    """
    if len(labels) < FEWEST:
        raise DatasetError(
            f"Only {counted(len(labels), 'verdict')} on records of {data_provider} can be "
            "used. The others give no concept that the model knows. You need at least "
            f"{FEWEST}. Judge more records."
        )
    if len(np.unique(labels)) < 2:
        raise DatasetError(
            f"All {len(labels)} verdicts on records of {data_provider} name the same "
            "concept. Also judge records that show another concept."
        )


def _old_rows(
    connection: Connection,
    description: Description,
    encoder_id: int,
    seen: Mapping[str, bytes],
) -> Sequence[Row[Any]]:
    data = str(description.created_from.get("data", ""))
    if not data.startswith(_DATASET):
        raise DatasetError(
            f"The model was trained on {data or 'unknown data'}, whose labels are not in the "
            "store. You can teach models that were trained on a dataset of the store: trainer "
            "train --dataset NAME --recipe head"
        )
    name = data.removeprefix(_DATASET).partition(" ")[0]  # "and verdicts" may follow
    asked = {
        "dataset": find_dataset(connection, name),
        "uris": list(description.concept_uris),
        "judged": list(seen),
        "pictures": list(seen.values()),
        "encoder_id": encoder_id,
        "most": MOST_OLD,
    }
    rows = connection.execute(_OLD, asked).all()
    if not rows:
        raise DatasetError(
            f"The model was trained on dataset {name}, but no embeddings are saved for it. "
            "Train the model again. This saves the embeddings."
        )
    return rows
