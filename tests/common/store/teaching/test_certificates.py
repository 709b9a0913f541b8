"""Certificates that hold, as exports, jobs and models name them."""

import math
from dataclasses import dataclass

import pytest

from common.store.teaching.certificates import in_percent, sentence_of


@dataclass(frozen=True)
class Closed:
    title: str = "vases v3"
    data_provider: str | None = None
    label: str | None = None
    rows: int = 147
    sample: int = 20
    right_ones: int | None = 16
    precision: float | None = 86 / 147


def test_the_sentence_says_what_was_seen_and_what_it_proves() -> None:
    assert sentence_of(Closed(data_provider="A museum", label="map")) == (
        "Map enrichments of A museum: 16 of 20 drawn at random were right (80 %). "
        "With 95 % confidence, at least 58.5 % of all 147 are right."
    )
    assert sentence_of(Closed(rows=2_000, sample=2_000, right_ones=1_999, precision=0.9995)) == (
        "Enrichments of vases v3: 1,999 of all 2,000 were judged right (99.9 %)."
    )


@pytest.mark.parametrize(
    ("precision", "shown"),
    [
        (0.90399999, "90.3 %"),
        (math.nextafter(0.903, 0), "90.2 %"),
        (0.999999, "99.9 %"),
        (7 / 10, "70.0 %"),
        (1.0, "100.0 %"),
        (0.0, "0.0 %"),
    ],
)
def test_rounding_never_promises_more(precision: float, shown: str) -> None:
    assert in_percent(precision) == shown
