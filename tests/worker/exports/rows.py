"""Rows as the store gives them, without a store."""

from datetime import UTC, datetime
from typing import Any

from worker.exports.rows import EnrichmentRow

MAP, PAINTING = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/47"
FULL = "https://museum.example/full.jpg"
ROW = EnrichmentRow(
    record_id="/1/a",
    concept=MAP,
    label="map",
    confidence=0.91234,
    model="vases v1",
    picture="media",
    image_url=FULL,
    job="8f14e45f-ceea-467f-a9f4-6c1d6d1fd2f0",
    written=datetime(2026, 11, 23, 22, 0, 5, 250, tzinfo=UTC),
    provider=None,
    rights=None,
    encoder=None,
    threshold=None,
    promise="none",
    heatmap=None,
    seen=datetime(2026, 11, 23, 21, 58, tzinfo=UTC),
    verdict=None,
)


def row(**changes: Any) -> EnrichmentRow:
    """A row that differs from ROW in what is given."""
    return ROW._replace(**changes)


def rows(count: int) -> list[EnrichmentRow]:
    """So many records with one concept each."""
    return [row(record_id=f"/1/r{number:06d}") for number in range(count)]
