"""Records with given pictures through one worker with a tiny classifier."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.parts.tiny_service import tiny_service
from benchmarks.parts.watching import pss_gib, watching
from common.store.tables import PictureChoice
from worker import jobs

LOOKS_PER_SECOND = 10


@dataclass(frozen=True)
class Enriched:
    """What one job came to: how many records were classified, and the reasons of the others."""

    seconds: float
    peak_gib: float
    classified: int
    waiting: int
    reasons: Mapping[str, str]


def enrich(folder: Path, urls: Mapping[str, str], *, most_seconds: float) -> Enriched:
    """Enrich one record for each name and address; `folder` is for the model."""
    folder.mkdir()
    with tiny_service(folder, records=0, latency=0.0) as service:
        rows = [{"id": f"/1/{name}", "url": url} for name, url in urls.items()]
        with service.engine.begin() as connection:
            connection.execute(text("INSERT INTO record (id, media_url) VALUES (:id, :url)"), rows)
        options = jobs.JobOptions(picture=PictureChoice.MEDIA)
        job_id = jobs.enqueue(service.engine, [row["id"] for row in rows], options).job_id
        peak, began = 0.0, time.monotonic()
        with service.worker() as process_id:

            def look() -> None:
                nonlocal peak
                peak = max(peak, pss_gib(process_id))

            with watching(look, per_second=LOOKS_PER_SECOND):
                status = jobs.status(service.engine, job_id)
                while status.state == "running" and time.monotonic() - began < most_seconds:
                    time.sleep(0.2)
                    status = jobs.status(service.engine, job_id)
            seconds = time.monotonic() - began
        return Enriched(seconds, peak, status.classified, status.waiting, _reasons(service.engine))


def _reasons(engine: Engine) -> dict[str, str]:
    query = text("SELECT record_id, reason FROM job_failure")
    with engine.connect() as connection:
        rows = connection.execute(query)
        return {str(row[0]).removeprefix("/1/"): str(row[1]) for row in rows}
