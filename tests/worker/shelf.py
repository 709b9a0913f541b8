"""A store with enrichments by three models: two versions of one, and another."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, text

from worker.exports.rows import EnrichmentRow
from worker.exports.selection import Selection, selected

MAP, PAINTING = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/47"
FULL = "https://museum.example/full.jpg"
THUMBNAIL = "https://api.europeana.eu/thumbnail/v3/400/0123456789abcdef"

_CONCEPTS = "INSERT INTO concept (uri, label) VALUES (:map, 'map'), (:painting, 'painting')"
_MODEL = """
    INSERT INTO model (name, version, path, sha256, labels, thresholds)
    VALUES (:name, :version, :sha256, :sha256, '{}', '{}') RETURNING id
"""
_JOB = """
    INSERT INTO job (model_id, state, total, chunks, finished_at)
    VALUES (:model_id, 'done', :total, 1, now()) RETURNING id
"""
_CHUNK = """
    INSERT INTO job_chunk (job_id, number, record_ids, state, settled_at, enriched)
    VALUES (:job_id, 1, :record_ids, 'done', now(), :total)
"""
_RECORD = "INSERT INTO record (id) VALUES (:record_id) ON CONFLICT DO NOTHING"
_ENRICHMENT = """
    INSERT INTO enrichment (record_id, concept_uri, model_id, confidence, source, image_url,
                            job_id, updated_at)
    SELECT :record_id, :concept, model_id, :confidence, :source, :image_url, id, :updated
    FROM job WHERE id = :job_id
"""


@dataclass(frozen=True)
class Shelf:
    """What is in the store: jobs by the model and version that they were for."""

    engine: Engine
    jobs: dict[str, UUID]

    def found(self, selection: Selection) -> list[EnrichmentRow]:
        """What an export of the selection holds."""
        with selected(self.engine, selection) as rows:
            return list(rows)

    def execute(self, statement: str, **parameters: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def add(
        self,
        record_id: str,
        concept: str,
        confidence: float,
        *,
        model: str = "vases 1",
        source: str = "media",
        image_url: str = FULL,
        updated: str = "2026-11-23T22:00:00Z",
    ) -> None:
        what = {"record_id": record_id, "concept": concept, "confidence": confidence}
        seen = {"source": source, "image_url": image_url, "updated": updated}
        self.execute(_RECORD, record_id=record_id)
        self.execute(_ENRICHMENT, **what, **seen, job_id=self.jobs[model])


def fill_shelf(engine: Engine) -> Shelf:
    """Without enrichments; each model has a done job over /1/a, /1/B and /1/old."""
    record_ids = ["/1/a", "/1/B", "/1/old"]
    jobs: dict[str, UUID] = {}
    with engine.begin() as connection:
        connection.execute(text(_CONCEPTS), {"map": MAP, "painting": PAINTING})
        for number, (name, version) in enumerate([("vases", 1), ("vases", 2), ("coins", 1)]):
            model = {"name": name, "version": version, "sha256": f"{number:064d}"}
            model_id = connection.execute(text(_MODEL), model).scalar_one()
            job = {"model_id": model_id, "total": len(record_ids)}
            job_id = connection.execute(text(_JOB), job).scalar_one()
            chunk = {"job_id": job_id, "record_ids": record_ids, "total": len(record_ids)}
            connection.execute(text(_CHUNK), chunk)
            jobs[f"{name} {version}"] = job_id
    return Shelf(engine, jobs)
