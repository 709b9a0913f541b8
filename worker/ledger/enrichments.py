"""What a model says of a chunk's records replaces what it said of them before: the difference only.

Most records are new to the model, and COPY writes their rows in half the time of INSERT ... ON
CONFLICT. Where rows are there they are read, locked in the order of their key so that transactions
over the same records wait for each other and do not deadlock, and those that say the same stay
untouched, with their job and their time. The others are then found by their place (ctid), which the
lock keeps: Postgres does not know a new model's rows well enough to plan a join with them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from common.store.bulk import copy_rows
from common.store.tables import Enrichment


@dataclass(frozen=True, kw_only=True)
class RecordPrediction:
    """A concept seen in a picture of a record, above the model's threshold for it.

    `heatmap` is the SHA-256 of a file that shows where (`worker/enrich/heatmap_files`).
    """

    record_id: str
    concept_uri: str
    confidence: float
    source: str
    image_url: str
    heatmap: str | None = None


_COLUMNS = ("record_id", "concept_uri", "confidence", "source", "image_url", "model_id", "job_id")
_KEY = attrgetter(*_COLUMNS[:2])
_FINDING = attrgetter(*_COLUMNS[2:5])
_PREDICTED = attrgetter(*_COLUMNS[:5])

_THERE = text("""
    SELECT record_id, concept_uri, confidence, source, image_url, ctid FROM enrichment
    WHERE model_id = :model_id AND record_id = ANY(CAST(:record_ids AS text[]))
    ORDER BY record_id, concept_uri FOR UPDATE
""")
_FORGET = text("DELETE FROM enrichment WHERE ctid = ANY(CAST(:places AS tid[]))")
_CHANGE = text("""
    UPDATE enrichment
    SET confidence = said.confidence, source = said.source, image_url = said.image_url,
        job_id = :job_id, updated_at = now()
    FROM unnest(CAST(:places AS tid[]), CAST(:confidences AS float8[]), CAST(:sources AS text[]),
                CAST(:image_urls AS text[])) AS said(place, confidence, source, image_url)
    WHERE enrichment.ctid = said.place
""")


def replace(
    connection: Connection,
    *,
    model_id: int,
    job_id: UUID,
    record_ids: Sequence[str],
    predictions: Iterable[RecordPrediction],
) -> None:
    """Have the store hold these predictions of the model for these records, and no others.

    Raises:
        IntegrityError: a record or concept is not in the store, or another transaction wrote one
            of the rows meanwhile (`is_collision`): all is to be done again.
    """
    said = {_KEY(each): each for each in predictions}
    asked = {"model_id": model_id, "record_ids": list(record_ids)}
    there = {row[:2]: row[2:] for row in connection.execute(_THERE, asked)}
    gone: list[str] = []
    changed: dict[str, RecordPrediction] = {}
    for key, (*finding, place) in there.items():
        if key not in said:
            gone.append(place)
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


def is_collision(error: IntegrityError) -> bool:
    """Whether another transaction wrote the same enrichment first."""
    return isinstance(error.orig, UniqueViolation) and (
        error.orig.diag.constraint_name == Enrichment.__table__.primary_key.name
    )


def _arrays(changed: Mapping[str, RecordPrediction]) -> dict[str, list[Any]]:
    confidences, sources, image_urls = zip(*map(_FINDING, changed.values()), strict=True)
    return {
        "places": list(changed),
        "confidences": list(confidences),
        "sources": list(sources),
        "image_urls": list(image_urls),
    }
