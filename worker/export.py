"""Enrichments out of the store, as files: streamed, and the same bytes for the same enrichments.

A job's export holds what its model says of the job's records, whichever job found it out.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO
from uuid import UUID

from sqlalchemy import Engine, RowMapping, text

from common.europeana.annotations import CONTEXT, concept_annotation

FORMATS = ("csv", "jsonld")
COLUMNS = ("record_id", "concept", "label", "confidence", "model", "picture", "image_url")

_ENRICHMENTS = text("""
    SELECT enrichment.record_id, enrichment.concept_uri AS concept, concept.label,
           enrichment.confidence, enrichment.source AS picture, enrichment.image_url,
           model.name || ' v' || model.version AS model, enrichment.created_at
    FROM job JOIN model ON model.id = job.model_id
    JOIN enrichment ON enrichment.model_id = model.id
    JOIN concept ON concept.uri = enrichment.concept_uri
    WHERE job.id = :job_id AND enrichment.record_id IN (
        SELECT coalesce(alias.record_id, asked.id)
        FROM job_chunk CROSS JOIN LATERAL unnest(job_chunk.record_ids) AS asked(id)
        LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
        WHERE job_chunk.job_id = :job_id AND job_chunk.state = 'done')
    ORDER BY enrichment.record_id COLLATE "C", enrichment.confidence DESC, concept
""")


def job_enrichments(engine: Engine, job_id: UUID) -> Iterator[RowMapping]:
    """The enrichments of a job's records by the job's model, by record."""
    with engine.connect().execution_options(yield_per=5_000) as connection:
        yield from connection.execute(_ENRICHMENTS, {"job_id": job_id}).mappings()


def write_csv(enrichments: Iterable[RowMapping], file: TextIO) -> int:
    """Write COLUMNS as CSV; returns the number of enrichments."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in enrichments:
        confidence = f"{row['confidence']:.4f}"
        writer.writerow([confidence if name == "confidence" else row[name] for name in COLUMNS])
        count += 1
    return count


def write_jsonld(enrichments: Iterable[RowMapping], file: TextIO) -> int:
    """Write one AnnotationPage, an annotation a line; returns the number of enrichments."""
    file.write(f'{{"@context": "{CONTEXT}", "type": "AnnotationPage", "items": [')
    count = 0
    for row in enrichments:
        file.write(",\n" if count else "\n")
        file.write(json.dumps(_annotation(row), ensure_ascii=False))
        count += 1
    file.write("\n]}\n")
    return count


def _annotation(row: RowMapping) -> dict[str, Any]:
    return concept_annotation(
        record_id=row["record_id"],
        concept_uri=row["concept"],
        confidence=row["confidence"],
        model=row["model"],
        image_url=row["image_url"] if row["picture"] == "media" else None,
        created=row["created_at"],
    )
