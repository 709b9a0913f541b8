"""Heatmaps as files, and as rows of the store."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.errors import EnrichmentError
from tests.worker.conftest import CONCEPTS
from tests.worker.ledger_rows import DELAYS, claim, predicted
from worker import jobs
from worker.enrich import heatmap_files
from worker.enrich.heatmap_files import KEPT_SECONDS, keep, relative_path, remove_unknown
from worker.exports.selection import Selection, selected
from worker.jobs import JobOptions
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease, LeaseLostError
from worker.ledger.finish import ChunkResults
from worker.ledger.predictions import RecordPrediction

MAP, PAINTING = CONCEPTS
RECORD = "/1/r1"
URL = "http://museum.example/1"


def finish(
    engine: Engine, lease: Lease, heatmap: str | None, *, concept: str = MAP, url: str = URL
) -> None:
    """One record shows a concept, which a heatmap explains or nothing does."""
    prediction = RecordPrediction(
        record_id=RECORD,
        concept_uri=concept,
        confidence=0.9,
        source="media",
        image_url=url,
        seen_at=datetime(2026, 11, 25, tzinfo=UTC),
    )
    outcome = ChunkResults(
        predicted={RECORD: predicted(lease, RECORD, prediction)},
        heatmaps={prediction.key: heatmap} if heatmap else {},
    )
    finishing.finish(engine, lease, outcome, retry_delays=DELAYS)


def leased(engine: Engine, *, explain: bool) -> Lease:
    accepted = jobs.enqueue(engine, [RECORD], JobOptions(explain=explain))
    return claim(engine, accepted.job_id, 1)


def exported(engine: Engine, job: UUID) -> list[str | None]:
    with selected(engine, Selection(job=job)) as rows:
        return [row.heatmap for row in rows]


@pytest.mark.usefixtures("model_id", "records")
def test_a_job_is_explained_where_it_says_so(engine: Engine) -> None:
    assert leased(engine, explain=True).explain
    assert not leased(engine, explain=False).explain


@pytest.mark.usefixtures("model_id", "records")
def test_a_heatmap_stays_while_the_enrichment_is_of_the_same_picture(engine: Engine) -> None:
    lease = leased(engine, explain=True)
    finish(engine, lease, "a" * 64)
    assert exported(engine, lease.job_id) == [relative_path("a" * 64)]
    finish(engine, leased(engine, explain=False), None)
    assert exported(engine, lease.job_id) == [relative_path("a" * 64)]
    finish(engine, leased(engine, explain=False), None, url="http://museum.example/other")
    assert exported(engine, lease.job_id) == [None]
    finish(engine, leased(engine, explain=True), "b" * 64)
    assert exported(engine, lease.job_id) == [relative_path("b" * 64)]


@pytest.mark.usefixtures("model_id", "records")
def test_the_heatmap_of_an_enrichment_that_is_no_more_is_forgotten(engine: Engine) -> None:
    finish(engine, leased(engine, explain=True), "a" * 64)
    finish(engine, leased(engine, explain=True), "b" * 64, concept=PAINTING)
    with engine.connect() as connection:
        known = connection.execute(text("SELECT sha256 FROM heatmap")).scalars().all()
    assert known == ["b" * 64]


@pytest.mark.usefixtures("model_id", "records")
def test_a_worker_that_lost_its_chunk_names_no_heatmap(engine: Engine) -> None:
    late = leased(engine, explain=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_chunk SET state = 'ready'"))
    finish(engine, claim(engine, late.job_id, 1), "b" * 64)
    with pytest.raises(LeaseLostError):
        finish(engine, late, "a" * 64)
    assert exported(engine, late.job_id) == [relative_path("b" * 64)]


@pytest.mark.usefixtures("model_id", "records")
def test_only_old_files_that_nobody_refers_to_are_removed(engine: Engine, tmp_path: Path) -> None:
    known, unknown, young = (keep(tmp_path, content) for content in (b"1", b"22", b"333"))
    finish(engine, leased(engine, explain=True), known)
    half = tmp_path / "00" / f".{relative_path(unknown)[3:]}.0123.partial"
    strange = tmp_path / "00" / f"{unknown}.jpg"
    half.parent.mkdir(exist_ok=True)
    for path in (half, strange):
        path.write_bytes(b"4444")
    for path in (half, strange, *(tmp_path / relative_path(each) for each in (known, unknown))):
        os.utime(path, times=(0, time.time() - KEPT_SECONDS - 60))
    removed = remove_unknown(engine, tmp_path)
    assert (removed.files, removed.bytes) == (2, 6)
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {strange, *(tmp_path / relative_path(each) for each in (known, young))}


def test_a_heatmap_that_is_kept_again_is_young_again(tmp_path: Path) -> None:
    path = tmp_path / relative_path(keep(tmp_path, b"1"))
    os.utime(path, times=(0, 0))
    keep(tmp_path, b"1")
    assert path.stat().st_mtime > time.time() - 60
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_folder_that_refuses_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnrichmentError, match="cannot be written: Not a directory"):
        heatmap_files.keep(tmp_path / "file", b"1")
