"""Outcomes of chunks without pictures: the ledger does its work, and no picture is fetched.

A record's number, the last digits of its ID, decides its outcome: one in 256 is enriched, one in
100 fails for good, all others are below the threshold. Each has one of 64 data providers.
"""

from datetime import UTC, datetime

from sqlalchemy import Engine, text

from common.errors import RecordError
from common.store.tables import PictureSource
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkResults
from worker.ledger.predictions import PredictedRecord, RecordPrediction

PROVIDERS = 64
ENRICHED_EVERY, FAILED_EVERY = 256, 100
CONCEPT = "http://data.europeana.eu/concept/43"
DIGITS = 8  # of the number in an ID
_SEEN_AT = datetime(2026, 11, 25, tzinfo=UTC)
_NO_IMAGE = RecordError("resolve", "no_image", "the record names no picture")
_CONCEPTS = text("INSERT INTO concept (uri, label) VALUES (:concept, 'map') ON CONFLICT DO NOTHING")
_RECORDS = text("INSERT INTO record (id) SELECT unnest(CAST(:ids AS text[]))")


def record_id(number: int) -> str:
    """An ID as long as those of many museums."""
    return f"/{number % 2000 + 1}/object_of_the_museum_{number:0{DIGITS}d}"


def add_enriched_records(engine: Engine, records: int) -> None:
    """Add the concept, and those of the first records that will be enriched."""
    with engine.begin() as connection:
        connection.execute(_CONCEPTS, {"concept": CONCEPT})
        ids = [record_id(number) for number in range(0, records, ENRICHED_EVERY)]
        connection.execute(_RECORDS, {"ids": ids})


def outcome_of(lease: Lease) -> ChunkResults:
    """The outcomes of the records of a chunk."""
    results = ChunkResults()
    for each in lease.record_ids:
        number = int(each[-DIGITS:])
        if number % FAILED_EVERY == 1:
            results.errors[each] = _NO_IMAGE
            continue
        provider = number % PROVIDERS
        results.predicted[each] = PredictedRecord(
            record_id=each,
            model_id=lease.routes.model_id,
            data_provider=f"Museum of the town of {provider}",
            confidence=(provider % 10 + 0.5) / 10,
            is_unlike=False,
            predictions=() if number % ENRICHED_EVERY else (_prediction(each),),
        )
    return results


def _prediction(record_id: str) -> RecordPrediction:
    return RecordPrediction(
        record_id=record_id,
        concept_uri=CONCEPT,
        confidence=0.9,
        source=PictureSource.THUMBNAIL,
        image_url=f"https://museum.example/iiif/3{record_id}/full/max/0/default.jpg",
        seen_at=_SEEN_AT,
    )
