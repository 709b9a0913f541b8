"""What a model says of records, written as the difference to what it said before.

Most records are new to the model: COPY writes their rows in half the time of
INSERT ... ON CONFLICT. Existing rows are read and locked in the order of their key, so that
transactions over the same records wait for each other and do not deadlock. Rows that say the same
stay untouched, with their job and their time. The others are then found by their place (ctid),
which the lock keeps: Postgres knows too little of a new model's rows to plan a join with them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from common.store.bulk import copy_rows
from common.store.tables import Enrichment
from worker.ledger.predictions import RecordPrediction

_PREDICTED_COLUMNS = (
    *("record_id", "concept_uri", "confidence"),
    *("source", "image_url", "seen_at"),
)
_COLUMNS = (*_PREDICTED_COLUMNS, "model_id", "job_id")
_FINDING = attrgetter(*_COLUMNS[2:5])
_PREDICTED = attrgetter(*_PREDICTED_COLUMNS)

_THERE = text("""
    SELECT record_id, concept_uri, confidence, source, image_url, ctid FROM enrichment
    WHERE model_id = :model_id AND record_id = ANY(CAST(:record_ids AS text[]))
    ORDER BY record_id, concept_uri FOR UPDATE
""")
_FORGET = text("DELETE FROM enrichment WHERE ctid = ANY(CAST(:places AS tid[]))")
_CHANGE = text("""
    UPDATE enrichment
    SET confidence = said.confidence, source = said.source, image_url = said.image_url,
        seen_at = said.seen_at, job_id = :job_id, updated_at = now()
    FROM unnest(CAST(:places AS tid[]), CAST(:confidences AS float8[]), CAST(:sources AS text[]),
                CAST(:image_urls AS text[]), CAST(:times AS timestamptz[]))
         AS said(place, confidence, source, image_url, seen_at)
    WHERE enrichment.ctid = said.place
""")


def replace_enrichments(
    connection: Connection,
    *,
    model_id: int,
    job_id: UUID,
    record_ids: Sequence[str],
    predictions: Iterable[RecordPrediction],
    blocked: Collection[tuple[str, str]] = (),
) -> None:
    """Make these predictions the model's only enrichments of these records.

    Args:
        blocked: records with concepts that are predicted as well, but may not be written; of
            these the store keeps what it has.

    Raises:
        IntegrityError: a record or concept is not in the store, or another transaction wrote one
            of the rows first (`is_collision`). The transaction must then be repeated.
    """
    said = {each.key: each for each in predictions}
    asked = {"model_id": model_id, "record_ids": list(record_ids)}
    there = {row[:2]: row[2:] for row in connection.execute(_THERE, asked)}
    gone: list[str] = []
    changed: dict[str, RecordPrediction] = {}
    for key, (*finding, place) in there.items():
        if key not in said:
            gone += [place] * (key not in blocked)
        elif finding != [*_FINDING(said[key])]:
            changed[place] = said[key]
    if gone:
        connection.execute(_FORGET, {"places": gone})
    if changed:
        connection.execute(_CHANGE, {"job_id": job_id, **_arrays(changed)})
    if new := sorted(said.keys() - there.keys()):
        found_by = (model_id, str(job_id))
        rows = (_PREDICTED(said[key]) + found_by for key in new)
        copy_rows(connection, Enrichment.__tablename__, _COLUMNS, rows)


def _arrays(changed: Mapping[str, RecordPrediction]) -> dict[str, list[Any]]:
    confidences, sources, image_urls = zip(*map(_FINDING, changed.values()), strict=True)
    return {
        "places": list(changed),
        "confidences": list(confidences),
        "sources": list(sources),
        "image_urls": list(image_urls),
        "times": [each.seen_at for each in changed.values()],
    }


def is_collision(error: IntegrityError) -> bool:
    """Whether another transaction wrote the same enrichment first."""
    return isinstance(error.orig, UniqueViolation) and (
        error.orig.diag.constraint_name == Enrichment.__table__.primary_key.name
    )
