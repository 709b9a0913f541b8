"""Finishing a chunk: what each record comes to, once and by the worker with the lease."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.errors import RecordError, TransientRecordError
from common.store.decisions import block
from tests.worker.ledger_rows import (
    DELAYS,
    all_below,
    claim,
    expire_leases,
    finish,
    finish_with,
    predicted,
    rows,
)
from worker import jobs
from worker.ledger import chunks
from worker.ledger.chunks import Lease, LeaseLostError
from worker.ledger.delays import MAX_WAIT
from worker.ledger.finish import ChunkResults
from worker.ledger.predictions import RecordPrediction
from worker.ledger.routes import Routes

MAP = "http://data.europeana.eu/concept/43"
PAINTING = "http://data.europeana.eu/concept/47"


def test_a_job_is_done_when_its_last_chunk_is(engine: Engine, job_id: UUID) -> None:
    finished = []
    for number in (1, 2, 3):
        lease = claim(engine, job_id, number)
        finished.append(finish(engine, lease))
    assert finished == [False, False, True]
    status = jobs.status(engine, job_id)
    assert (status.state, status.below_threshold, status.waiting) == ("done", 600, 0)


def test_finishing_twice_writes_once(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    finish(engine, lease)
    with pytest.raises(LeaseLostError):
        finish(engine, lease)


def test_a_worker_that_lost_its_lease_writes_nothing(engine: Engine, job_id: UUID) -> None:
    slow = claim(engine, job_id, 1)
    expire_leases(engine)
    fast = claim(engine, job_id, 1)
    assert fast.token > slow.token
    found = with_predictions(slow, prediction(slow.record_ids[0], MAP))
    with pytest.raises(LeaseLostError):
        finish_with(engine, slow, found)
    assert not chunks.renew(engine, slow, lease_seconds=60)
    assert rows(engine, "SELECT * FROM enrichment") == []
    finish(engine, fast)


def prediction(record_id: str, concept_uri: str, confidence: float = 0.75) -> RecordPrediction:
    return RecordPrediction(
        record_id=record_id,
        concept_uri=concept_uri,
        confidence=confidence,
        source="media",
        image_url="http://museum.example/1",
        seen_at=datetime(2026, 11, 25, tzinfo=UTC),
    )


def test_every_record_is_counted_under_its_outcome(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    first, second, third, *_ = lease.record_ids
    outcome = all_below(lease, but=(second, third))
    outcome.predicted[first] = predicted(
        lease, first, prediction(first, MAP), prediction(first, PAINTING)
    )
    outcome.errors = {
        second: RecordError("fetch", "not_found"),
        third: TransientRecordError("fetch", "timeout"),
    }
    finish_with(engine, lease, outcome)
    status = jobs.status(engine, job_id)
    assert (status.enriched, status.below_threshold, status.failed) == (1, 253, 1)
    assert status.failures == {"not_found": 1}
    assert status.waiting == 600 - 255


def test_of_a_record_that_its_model_does_not_know_nothing_is_said(
    engine: Engine, job_id: UUID
) -> None:
    lease = claim(engine, job_id, 1)
    enriched, unlike, below, *others = lease.record_ids
    outcome = all_below(lease)
    outcome.predicted |= {
        enriched: predicted(lease, enriched, prediction(enriched, MAP), data_provider="Louvre"),
        unlike: predicted(lease, unlike, is_unlike=True, data_provider="Tate"),
        below: predicted(lease, below, data_provider="Prado"),
    }
    finish_with(engine, lease, outcome)
    status = jobs.status(engine, job_id)
    assert (status.enriched, status.unlike, status.below_threshold) == (1, 1, 254)
    assert (status.settled, status.waiting, status.looked_at) == (256, 344, 256)
    ((kept,),) = rows(engine, "SELECT said FROM job_chunk WHERE number = 1")
    told = {provider: counts[:3] for provider, counts in kept[str(lease.routes.model_id)].items()}
    expected = {"Louvre": [1, 1, 0], "Tate": [1, 0, 1], "Prado": [1, 0, 0]}
    assert told == {"": [len(others), 0, 0], **expected}


def test_a_passing_failure_moves_the_record_to_a_later_chunk(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    busy, slow, *_ = lease.record_ids
    outcome = all_below(lease, but=(busy, slow))
    outcome.errors = {
        busy: TransientRecordError("fetch", "rate_limited", retry_after=3600),
        slow: TransientRecordError("fetch", "timeout"),
    }
    finish_with(engine, lease, outcome)
    later = rows(
        engine,
        "SELECT number, record_ids, retries, round(extract(epoch FROM not_before - now()) / 60)"
        " FROM job_chunk WHERE number > 3 ORDER BY not_before",
    )
    assert later == [(5, [slow], 1, 1), (4, [busy], 1, 60)] or later == [
        (4, [slow], 1, 1),
        (5, [busy], 1, 60),
    ]


def test_a_failure_that_does_not_pass_ends_as_a_failure(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    last_try = replace(lease, retries=len(DELAYS))
    error = TransientRecordError("fetch", "timeout")
    finish_with(engine, last_try, ChunkResults(errors=dict.fromkeys(lease.record_ids, error)))
    assert jobs.status(engine, job_id).failures == {"timeout": 256}


def test_a_failure_is_kept_whatever_is_said_of_it(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    errors = {
        each: RecordError("decode", "damaged", "no\0 end \ud800") for each in lease.record_ids
    }
    finish_with(engine, lease, ChunkResults(errors=errors))
    assert set(rows(engine, "SELECT detail FROM job_failure")) == {("no end ?",)}


@pytest.mark.parametrize(
    ("reason", "expected"), [("host_unavailable", [60, 60, 120]), ("host_slow", [30, 60, 120])]
)
def test_a_host_that_is_not_asked_costs_its_records_no_try(
    engine: Engine, job_id: UUID, reason: str, expected: list[int]
) -> None:
    error = TransientRecordError("fetch", reason, retry_after=30)
    waits = []
    number = 1
    for waited in (0, 60, 120):
        age_wait(engine, number, waited)
        lease = claim(engine, job_id, number)
        finish_with(engine, lease, ChunkResults(errors=dict.fromkeys(lease.record_ids, error)))
        ((number, retries, wait),) = rows(
            engine,
            "SELECT number, retries, round(extract(epoch FROM not_before - now()))"
            " FROM job_chunk WHERE waiting_since IS NOT NULL AND state = 'ready'",
        )
        waits.append(wait)
        assert retries == 0
    assert waits == pytest.approx(expected, abs=14)  # seconds that a busy machine may lose


def age_wait(engine: Engine, number: int, seconds: float) -> None:
    """Have a chunk's records wait since so many seconds, and be due now."""
    with engine.begin() as connection:
        connection.execute(
            text("""
                UPDATE job_chunk
                SET not_before = now(), waiting_since = CASE WHEN waiting_since IS NOT NULL
                    THEN now() - make_interval(secs => :seconds) END
                WHERE number = :number
            """),
            {"number": number, "seconds": seconds},
        )


def test_a_host_that_stays_away_is_given_up(engine: Engine, job_id: UUID) -> None:
    error = TransientRecordError("fetch", "host_unavailable")
    lease = claim(engine, job_id, 1)
    patient = replace(lease, waited_seconds=MAX_WAIT)
    finish_with(engine, patient, ChunkResults(errors=dict.fromkeys(lease.record_ids, error)))
    assert jobs.status(engine, job_id).failures == {"host_unavailable": 256}


def test_records_of_one_host_share_a_later_chunk(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    errors = {
        record_id: TransientRecordError("fetch", "host_unavailable", retry_after=700 + place / 100)
        for place, record_id in enumerate(lease.record_ids)
    }
    finish_with(engine, lease, ChunkResults(errors=dict(errors)))
    assert rows(engine, "SELECT count(*) FROM job_chunk WHERE number > 3") == [(2,)]


def test_looking_again_replaces_what_the_model_said_before(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 1)
    record_id = lease.record_ids[0]
    finish_with(engine, lease, with_predictions(lease, prediction(record_id, MAP)))
    again_id = jobs.enqueue(engine, [record_id]).job_id
    again = claim(engine, again_id, 1)
    finish_with(engine, again, with_predictions(again, prediction(record_id, PAINTING, 0.5)))
    found = rows(engine, "SELECT concept_uri, confidence, job_id FROM enrichment")
    assert found == [(PAINTING, 0.5, again_id)]


def with_predictions(lease: Lease, *predictions: RecordPrediction) -> ChunkResults:
    outcome = all_below(lease)
    for each in predictions:
        said = outcome.predicted[each.record_id]
        outcome.predicted[each.record_id] = replace(said, predictions=(*said.predictions, each))
    return outcome


def test_what_is_blocked_is_not_written_and_what_was_written_stays(
    engine: Engine, job_id: UUID
) -> None:
    lease = claim(engine, job_id, 1)
    both, blocked, old, *_ = lease.record_ids
    finish_with(engine, lease, with_predictions(lease, prediction(old, MAP)))
    decide_against(engine, MAP)
    again_id = jobs.enqueue(engine, [both, blocked, old]).job_id
    again = claim(engine, again_id, 1)
    said_again = [prediction(each, MAP, 0.5) for each in (both, blocked, old)]
    outcome = with_predictions(again, *said_again, prediction(both, PAINTING))
    finish_with(engine, again, outcome)
    status = jobs.status(engine, again_id)
    assert (status.enriched, status.blocked, status.below_threshold) == (1, 2, 0)
    assert (status.settled, status.looked_at, status.blocked) == (3, 3, 2)
    found = rows(engine, "SELECT record_id, concept_uri, confidence, job_id FROM enrichment")
    assert set(found) == {(old, MAP, 0.75, job_id), (both, PAINTING, 0.75, again_id)}


def test_a_heatmap_of_what_is_blocked_is_not_registered(engine: Engine, job_id: UUID) -> None:
    decide_against(engine, MAP)
    lease = claim(engine, job_id, 1)
    explained = prediction(lease.record_ids[0], MAP)
    outcome = with_predictions(lease, explained)
    outcome.heatmaps = {explained.key: "a" * 64}
    finish_with(engine, lease, outcome)
    assert rows(engine, "SELECT 1 FROM heatmap") == []


def decide_against(engine: Engine, concept_uri: str) -> None:
    with engine.begin() as connection:
        user = "INSERT INTO desk_user (name, role) VALUES ('ann', 'operator') RETURNING id"
        user_id = connection.execute(text(user)).scalar_one()
    block(engine, concept_uri, data_provider=None, reason="too general", user_id=user_id)


def test_a_model_touches_only_the_records_that_it_answers_for(engine: Engine, job_id: UUID) -> None:
    """What it said before of another record stays; that is what another model answers for now."""
    lease = claim(engine, job_id, 1)
    usual = lease.routes.model_id
    theirs, ours, *_ = lease.record_ids
    finish_with(
        engine, lease, with_predictions(lease, prediction(theirs, MAP), prediction(ours, MAP))
    )
    with engine.begin() as connection:
        added = "INSERT INTO model (name, version, path, sha256, labels, thresholds)"
        values = "VALUES ('taught', 1, 'taught-1', repeat('1', 64), '{}', '{}') RETURNING id"
        taught = int(connection.execute(text(f"{added} {values}")).scalar_one())
    again = claim(engine, jobs.enqueue(engine, [theirs, ours]).job_id, 1)
    routes = Routes(model_id=usual, by_provider={"Louvre": taught})
    again = replace(again, routes=routes)
    outcome = all_below(again)
    outcome.predicted = {
        ours: predicted(again, ours, data_provider="Prado", is_unlike=True),
        theirs: predicted(again, theirs, prediction(theirs, PAINTING), data_provider="Louvre"),
    }
    finish_with(engine, again, outcome)
    status = jobs.status(engine, again.job_id)
    assert (status.enriched, status.unlike, status.below_threshold) == (1, 1, 0)
    found = rows(engine, "SELECT model_id, record_id, concept_uri FROM enrichment")
    assert set(found) == {(usual, theirs, MAP), (taught, theirs, PAINTING)}
