"""Which picture a document is about."""

import pytest

from common.errors import UsageError
from desk.api.annif.asked_pictures import AskedPicture, asked_picture

RECORD, URL = "/91/vase_1", "https://museum.example/vase.jpg?size=full"
BOOK = "Vases of Greece. See https://museum.example/vase.jpg for one."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"record": RECORD, "picture_url": URL}, AskedPicture(record_id=RECORD)),
        ({"picture_url": URL, "metadata_europeana_id": RECORD}, AskedPicture(url=URL)),
        (
            {"metadata_image_url": URL, "metadata_europeana_id": RECORD},
            AskedPicture(record_id=RECORD),
        ),
        ({"metadata_image_url": URL, "text": RECORD}, AskedPicture(url=URL)),
        ({"metadata_europeana_id": "shelf 7", "text": BOOK}, None),
        ({"text": f" {RECORD}\n"}, AskedPicture(record_id=RECORD)),
        (
            {"text": f"http://data.europeana.eu/item{RECORD}"},
            AskedPicture(record_id=RECORD),
        ),
        ({"text": URL}, AskedPicture(url=URL)),
        ({"text": BOOK}, None),
        ({"text": f"{URL} {URL}"}, None),
        ({"text": "https://museum.example/" + 9_000 * "x"}, None),
        ({}, None),
    ],
)
def test_the_first_field_that_names_a_picture_counts(fields, expected):
    assert asked_picture(fields) == expected


def test_bytes_go_before_all_fields():
    assert asked_picture({"record": RECORD}, b"bytes") == AskedPicture(content=b"bytes")


@pytest.mark.parametrize("fields", [{"record": "vase 1"}, {"picture_url": "ftp://museum.example/"}])
def test_a_field_of_ours_that_names_no_picture_is_refused(fields):
    with pytest.raises(UsageError):
        asked_picture(fields)
