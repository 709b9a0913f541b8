"""Which picture of a record is compared."""

import pytest
from sqlalchemy import text

from desk.review.neighbours import seen_picture
from tests.desk.museum import DIMENSION, Museum

RECORD = "/1/a"
_SEE = """
    INSERT INTO picture_seen (record_id, source, url, sha256, seen_at)
    VALUES (:record_id, :source, 'http://museum.example', :sha256, CAST(:at AS timestamptz))
"""


@pytest.fixture
def seen(museum: Museum) -> Museum:
    """A record whose thumbnail was seen long ago, and its file yesterday."""
    museum.records("A museum", RECORD, "/1/b", "/1/c")
    museum.the_encoder = museum.encoder(museum.model())
    museum.embed(museum.the_encoder, {"/1/b": [1.0] * DIMENSION, "/1/c": [2.0] * DIMENSION})
    see(museum, "thumbnail", "/1/b", "2020-01-01")
    see(museum, "media", "/1/c", "yesterday")
    return museum


def see(museum, source, like, at):
    sha256 = like.encode().ljust(32, b".")
    museum.execute(_SEE, record_id=RECORD, source=source, sha256=sha256, at=at)


def picture(museum, *, encoder=None):
    statement = text(f"SELECT sha256 FROM {seen_picture(':record')}")
    asked = {"record": RECORD, "encoder_id": encoder or museum.the_encoder}
    with museum.engine.connect() as connection:
        found = connection.execute(statement, asked).scalar()
    return found and bytes(found).rstrip(b".").decode()


def test_it_is_the_one_that_was_seen_last(seen):
    assert picture(seen) == "/1/c"


def test_one_of_no_date_counts_as_not_seen(seen):
    seen.execute("UPDATE picture_seen SET seen_at = 'infinity' WHERE source = 'media'")
    assert picture(seen) == "/1/b"


def test_what_the_encoder_has_not_seen_is_none(seen):
    assert picture(seen, encoder=99) is None
    seen.execute("DELETE FROM embedding")
    assert picture(seen) is None
