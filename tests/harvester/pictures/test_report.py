"""What `harvester images` tells of a dataset's pictures."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from common.store.session import open_store
from harvester.pictures.report import NO_HOST, NOT_TRIED, TRY, count_pictures, report_hosts

CONCEPT = "http://data.europeana.eu/concept/43"
URLS = {
    "/1/a": "http://müller.example/a.jpg",
    "/1/b": "https://me:secret@xn--mller-kva.example:443/b.jpg",
    "/1/c": "http://MÜLLER.Example/c.jpg",
    "/1/d": "http://museum.example:8080/d.jpg",
    "/1/e": None,
}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A dataset of five records; two of them have been tried."""
    engine = open_store()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO concept VALUES (:uri, 'map')"), {"uri": CONCEPT})
        connection.execute(text("INSERT INTO dataset (name) VALUES ('maps')"))
        for record_id, url in URLS.items():
            values = {"id": record_id, "url": url, "uri": CONCEPT}
            connection.execute(
                text("INSERT INTO record (id, media_url) VALUES (:id, :url)"), values
            )
            connection.execute(
                text("INSERT INTO dataset_item SELECT id, :id, :uri, 'search' FROM dataset"), values
            )
        connection.execute(
            text("""
                INSERT INTO image (record_id, state, reason, sha256, path, width, height, source)
                VALUES ('/1/a', 'stored', NULL, repeat('0', 64), 'x', 1, 1, 'media'),
                       ('/1/b', 'failed', 'not_found', NULL, NULL, NULL, NULL, 'media')
            """)
        )
    yield engine
    engine.dispose()


def test_a_host_has_one_line_however_its_name_is_written(engine: Engine) -> None:
    hosts = {each.host: each for each in report_hosts(engine, "maps")}
    assert hosts.keys() == {"xn--mller-kva.example", "museum.example:8080", NO_HOST}
    merged = hosts["xn--mller-kva.example"]
    assert (merged.stored, merged.missing, merged.pictures) == (1, 2, 3)
    assert dict(merged.reasons) == {"not_found": 1, NOT_TRIED: 1}
    assert hosts[NO_HOST].advice == TRY


def test_records_are_counted_by_state_and_source_or_reason(engine: Engine) -> None:
    counts = {(each.state, each.why): each.records for each in count_pictures(engine, "maps")}
    assert counts == {("stored", "media"): 1, ("failed", "not_found"): 1, (NOT_TRIED, ""): 3}
