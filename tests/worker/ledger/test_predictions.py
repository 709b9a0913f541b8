"""What models said of a chunk, counted."""

from datetime import UTC, datetime

from worker.ledger.predictions import PredictedRecord, RecordPrediction, tallied

FOUND = RecordPrediction(
    record_id="/1/a",
    concept_uri="http://data.europeana.eu/concept/43",
    confidence=0.95,
    source="media",
    image_url="http://museum.example/1",
    seen_at=datetime(2026, 11, 25, tzinfo=UTC),
)


def said(
    record_id: str, provider: str = "Louvre", *found: RecordPrediction, is_unlike: bool = False
) -> PredictedRecord:
    return PredictedRecord(
        record_id=record_id,
        model_id=2 if provider == "Prado" else 1,
        data_provider=provider,
        confidence=0.95 if found else 0.5,
        is_unlike=is_unlike,
        predictions=found,
    )


def test_what_each_model_said_is_counted_by_data_provider() -> None:
    unlike = said("/1/b", "", is_unlike=True)
    counted = tallied(
        [said("/1/a", "Louvre", FOUND), unlike, said("/1/c"), said("/1/d", "Prado"), said("/1/c")]
    )
    seen, written = (1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), (2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    counts = {
        model: {provider: tally.counts for provider, tally in of_model.items()}
        for model, of_model in counted.items()
    }
    strange = (1, 0, 1, *(0,) * 10)
    assert counts == {1: {"Louvre": written, "": strange}, 2: {"Prado": seen}}


def test_a_data_provider_is_counted_by_the_name_that_a_promise_has() -> None:
    names = ("Louvre", " Lou\nvre", "Lou vre" + "x" * 999, "Louvre\n", " ")
    odd = [said(f"/1/{number}", name) for number, name in enumerate(names)]
    pictures = {name: tally.pictures for name, tally in tallied(odd)[1].items()}
    assert pictures == {"Louvre": 2, "Lou vre": 1, "Lou vre" + "x" * 293: 1, "": 1}
