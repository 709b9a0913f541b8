"""What a model says now replaces what it said before, and only where it differs."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.worker.conftest import CONCEPTS
from tests.worker.ledger_rows import all_below, claim, predicted
from worker import jobs
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease
from worker.ledger.enrichments import is_collision, replace_enrichments
from worker.ledger.predictions import RecordPrediction

MAP, PAINTING = CONCEPTS
FIRST, SECOND = "/1/r1", "/1/r2"
RECORDS = [FIRST, SECOND]


def prediction(
    record_id: str, concept_uri: str = MAP, confidence: float = 0.75
) -> RecordPrediction:
    return RecordPrediction(
        record_id=record_id,
        concept_uri=concept_uri,
        confidence=confidence,
        source="media",
        image_url="http://museum.example/1",
        seen_at=datetime(2026, 11, 25, tzinfo=UTC),
    )


@pytest.fixture
def later_id(engine: Engine, job_id: UUID, records: list[str]) -> UUID:
    return jobs.enqueue(engine, records).job_id


def write(connection: Connection, model_id: int, job_id: UUID, *said: RecordPrediction) -> None:
    replace_enrichments(
        connection, model_id=model_id, job_id=job_id, record_ids=RECORDS, predictions=said
    )


def say(engine: Engine, model_id: int, job_id: UUID, *said: RecordPrediction) -> None:
    with engine.begin() as connection:
        write(connection, model_id, job_id, *said)


def stored(engine: Engine) -> dict[tuple[str, str], tuple[float, UUID]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM enrichment"))
        return {(row.record_id, row.concept_uri): (row.confidence, row.job_id) for row in rows}


def versions(engine: Engine) -> set[tuple[object, ...]]:
    """Each row with the transaction that wrote it and its time."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT record_id, xmin::text, updated_at FROM enrichment"))
        return {tuple(row) for row in rows}


def test_what_is_new_is_added_what_differs_changed_and_the_rest_forgotten(
    engine: Engine, model_id: int, job_id: UUID, later_id: UUID
) -> None:
    say(engine, model_id, job_id, prediction(FIRST), prediction(FIRST, PAINTING))
    now = (prediction(FIRST, confidence=0.5), prediction(SECOND, PAINTING))
    say(engine, model_id, later_id, *now)
    assert stored(engine) == {(FIRST, MAP): (0.5, later_id), (SECOND, PAINTING): (0.75, later_id)}


@pytest.mark.parametrize(
    "change",
    [{"confidence": 0.5}, {"source": "thumbnail"}, {"image_url": "http://museum.example/2"}],
)
def test_a_row_that_changes_gets_its_time_and_one_that_does_not_keeps_it(
    engine: Engine, model_id: int, job_id: UUID, later_id: UUID, change: dict[str, object]
) -> None:
    said = [prediction(FIRST), prediction(SECOND)]
    say(engine, model_id, job_id, *said)
    before = versions(engine)
    say(engine, model_id, later_id, *said)
    assert versions(engine) == before
    say(engine, model_id, later_id, replace(said[0], **change), said[1])
    (old,), (new,) = before - versions(engine), versions(engine) - before
    assert old[0] == new[0] == FIRST
    assert old[2] < new[2]


def test_another_models_enrichments_and_other_records_stay(
    engine: Engine, model_id: int, job_id: UUID
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO model (name, version, path, sha256, labels, thresholds)"
                 " VALUES ('other', 1, 'other-1', repeat('1', 64), '{}', '{}')")
        )  # fmt: skip
        other: int = connection.execute(
            text("SELECT id FROM model WHERE name = 'other'")
        ).scalar_one()
    say(engine, other, job_id, prediction(FIRST, PAINTING))
    say(engine, model_id, job_id, prediction("/1/r3"))
    say(engine, model_id, job_id)
    assert stored(engine).keys() == {(FIRST, PAINTING), ("/1/r3", MAP)}


def test_a_record_that_was_asked_for_by_two_ids_is_written_once(
    engine: Engine, model_id: int, job_id: UUID
) -> None:
    say(engine, model_id, job_id, prediction(FIRST), prediction(FIRST, confidence=0.5))
    assert stored(engine) == {(FIRST, MAP): (0.5, job_id)}


def test_an_unknown_record_or_concept_is_refused(
    engine: Engine, model_id: int, job_id: UUID
) -> None:
    for unknown in (prediction("/1/missing"), prediction(FIRST, "http://x.org/1")):
        with pytest.raises(IntegrityError, match="missing") as refusal:
            say(engine, model_id, job_id, unknown)
        assert not is_collision(refusal.value)
    assert stored(engine) == {}


@pytest.mark.parametrize("said", [(), (prediction(FIRST, confidence=0.5),)])
def test_rows_are_locked_in_the_order_of_their_key(
    engine: Engine, model_id: int, job_id: UUID, said: tuple[RecordPrediction, ...]
) -> None:
    """Else two transactions, each with the row that the other wants next, would deadlock.

    Without indexes, which happen to give that order, and which Postgres is free not to use.
    """
    unordered = create_engine(
        engine.url,
        poolclass=NullPool,
        connect_args={"options": "-c enable_indexscan=off -c enable_bitmapscan=off"},
    )
    for record_id in (SECOND, FIRST):  # the order in which they lie in the table
        with engine.begin() as connection:
            replace_enrichments(
                connection,
                model_id=model_id,
                job_id=job_id,
                record_ids=[record_id],
                predictions=[prediction(record_id)],
            )
    lock = text("SELECT 1 FROM enrichment WHERE record_id = :record_id FOR UPDATE NOWAIT")
    with engine.connect() as other:
        other.execute(lock, {"record_id": FIRST})
        replacing = threading.Thread(target=say, args=(unordered, model_id, job_id, *said))
        replacing.start()
        replacing.join(timeout=0.5)
        assert replacing.is_alive()
        try:
            other.execute(lock, {"record_id": SECOND})  # so it has not been locked first
        except DBAPIError:
            pytest.fail("the second row was locked before the first")
        finally:
            other.rollback()
            replacing.join(timeout=10)
    assert len(stored(engine)) == len(said)


def test_two_jobs_that_write_the_same_new_row_both_finish(
    engine: Engine, model_id: int, job_id: UUID, later_id: UUID
) -> None:
    lease = claim(engine, later_id, 1)
    record_id = lease.record_ids[0]
    with engine.connect() as first:
        replace_enrichments(
            first,
            model_id=model_id,
            job_id=job_id,
            record_ids=[record_id],
            predictions=[prediction(record_id)],
        )
        finishing = threading.Thread(target=finish, args=(engine, lease, record_id))
        finishing.start()
        finishing.join(timeout=0.5)
        assert finishing.is_alive()  # it waits to see what becomes of the row
        first.commit()
    finishing.join(timeout=10)
    assert stored(engine) == {(record_id, MAP): (0.5, later_id)}
    assert jobs.status(engine, later_id).enriched == 1


def finish(engine: Engine, lease: Lease, enriched: str) -> None:
    outcome = all_below(lease)
    outcome.predicted[enriched] = predicted(lease, enriched, prediction(enriched, confidence=0.5))
    finishing.finish(engine, lease, outcome, retry_delays=())
