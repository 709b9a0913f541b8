"""Which embeddings are removed, and which stay."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from common.store.embeddings import keep_vectors
from common.store.encoders import StoredEncoder, stored_encoders
from tests.worker.embeddings.conftest import COUNT, digest, vector
from worker.embeddings import pruning
from worker.embeddings.pruning import Pruned, prune


@pytest.fixture
def encoders(arc: Engine) -> list[StoredEncoder]:
    """Both have seen the pictures."""
    with arc.begin() as connection:
        found = stored_encoders(connection)
        keep_vectors(connection, found[1].id, {digest(n): vector(n) for n in range(COUNT)})
        return found


def kept(engine: Engine) -> dict[int, int]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT encoder_id, count(*) FROM embedding GROUP BY 1"))
        return {row[0]: row[1] for row in rows}


def test_what_every_record_shows_stays(arc: Engine, encoders: list[StoredEncoder]) -> None:
    assert prune(arc, encoders, every_encoder=True) == Pruned(embeddings=0, places=0)


def test_pictures_of_removed_records_and_old_addresses_go(
    arc: Engine, encoders: list[StoredEncoder]
) -> None:
    with arc.begin() as connection:
        connection.execute(text("DELETE FROM record WHERE id < '/1/r10'"))
        connection.execute(text("UPDATE record SET media_url = 'x' WHERE id = '/1/r20'"))
        connection.execute(text("UPDATE picture_seen SET source = 'thumbnail', url = 'y'"
                                " WHERE record_id = '/1/r30'"))  # fmt: skip
    first, second = (each.id for each in encoders)
    assert prune(arc, encoders[:1], every_encoder=False) == Pruned(embeddings=11, places=0)
    assert kept(arc) == {first: COUNT - 11, second: COUNT}
    assert prune(arc, encoders, every_encoder=True) == Pruned(embeddings=11, places=11)
    assert kept(arc) == {first: COUNT - 11, second: COUNT - 11}


def test_what_was_not_looked_at_for_long_goes_on_request(
    arc: Engine, encoders: list[StoredEncoder]
) -> None:
    with arc.begin() as connection:
        connection.execute(text("UPDATE picture_seen SET seen_at = now() - interval '40 days'"
                                " WHERE record_id < '/1/r05'"))  # fmt: skip
    everything = prune(arc, encoders, every_encoder=True, unused_for=timedelta(days=30))
    assert everything == Pruned(embeddings=10, places=5)


def test_pictures_that_the_harvester_stored_stay(
    arc: Engine, encoders: list[StoredEncoder]
) -> None:
    with arc.begin() as connection:
        connection.execute(text("DELETE FROM picture_seen"))
        connection.execute(
            text("INSERT INTO image (record_id, state, sha256, path, width, height, source)"
                 " VALUES ('/1/r07', 'stored', :sha256, 'a.jpg', 1, 1, 'media')"),
            {"sha256": digest(7).hex()},
        )  # fmt: skip
    prune(arc, encoders, every_encoder=True)
    assert set(kept(arc).values()) == {1}


def test_a_picture_that_one_of_its_records_shows_stays(
    arc: Engine, encoders: list[StoredEncoder]
) -> None:
    with arc.begin() as connection:
        connection.execute(
            text("UPDATE picture_seen SET sha256 = :same WHERE record_id < '/1/r03'"),
            {"same": digest(0)},
        )
        connection.execute(text("DELETE FROM record WHERE id IN ('/1/r00', '/1/r01')"))
    assert prune(arc, encoders, every_encoder=True) == Pruned(embeddings=4, places=2)


def test_places_that_a_chunk_has_locked_are_passed_over(
    arc: Engine, encoders: list[StoredEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 7)
    with arc.begin() as connection:
        connection.execute(text("DELETE FROM record WHERE id < '/1/r20'"))
    with arc.connect() as chunk:
        lock = "SELECT 1 FROM picture_seen WHERE record_id IN ('/1/r03', '/1/r11') FOR UPDATE"
        chunk.execute(text(lock))
        assert prune(arc, encoders, every_encoder=True).places == 18
    assert prune(arc, encoders, every_encoder=True).places == 2
