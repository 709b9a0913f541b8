"""The places of a record's picture are tried one after the other; the way of a picture is tested in
`test_pipeline.py` and `test_pipeline_reading.py`."""

import pytest

from common.errors import RecordError, TransientRecordError
from common.pictures.sources import PictureUrl
from common.store.tables import PictureSource
from worker.enrich.looking import Look, _more_hopeful
from worker.enrich.resolve import PictureTarget

FINAL, PASSING = RecordError("fetch", "not_found"), TransientRecordError("fetch", "timeout")


def test_the_places_of_a_picture_are_tried_in_order() -> None:
    places = tuple(PictureUrl(f"http://m.example/{n}", PictureSource.MEDIA) for n in range(2))
    look = Look(
        asked_id="/1/a", target=PictureTarget(record_id="/1/a", pictures=places, data_provider="")
    )
    assert look.picture == places[0]
    assert look.fallback is not None
    assert look.fallback.picture == places[1]
    assert look.fallback.fallback is None


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (None, FINAL, FINAL),
        (FINAL, FINAL, FINAL),
        (FINAL, PASSING, PASSING),
        (PASSING, FINAL, PASSING),
    ],
)
def test_of_two_errors_the_one_that_may_pass_is_kept(
    first: RecordError | None, second: RecordError, kept: RecordError
) -> None:
    assert _more_hopeful(first, second) is kept
