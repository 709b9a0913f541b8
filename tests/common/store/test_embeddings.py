"""Embeddings come back bit for bit, once for each picture, and stay out of TOAST."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from common.errors import StoreError
from common.store.embeddings import (
    PlaceAsked,
    Seen,
    is_kept_meanwhile,
    keep_vectors,
    kept_vectors,
    read_pictures,
    save_seen,
)
from common.store.session import open_store
from common.store.tables import PictureSource, RegisteredEncoder
from common.store.tables.seen import add_partition, drop_partition, partition_of

DIMENSION = 768
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """With an encoder of 768 numbers, whose number is 1."""
    engine = open_store()
    with engine.begin() as connection:
        add_encoder(connection, 1, DIMENSION)
    yield engine
    engine.dispose()


def add_encoder(connection: Connection, encoder_id: int, dimension: int) -> None:
    row = {"id": encoder_id, "name": f"e{encoder_id}", "sha256": f"{encoder_id:064}"}
    connection.execute(
        insert(RegisteredEncoder).values(row | {"network": "timm:x", "dimension": dimension})
    )
    add_partition(connection, encoder_id, dimension)


def vectors(count: int, dimension: int = DIMENSION) -> dict[bytes, np.ndarray]:
    drawn = np.random.default_rng(0).normal(size=(count, dimension)).astype(np.float16)
    return {hashlib.sha256(bytes([i % 256, i // 256])).digest(): drawn[i] for i in range(count)}


def test_what_is_kept_comes_back_bit_for_bit(engine: Engine) -> None:
    given = vectors(300)
    extremes = np.array([65504, -65504, 2**-24, -0.0, 1 / 3] * 154)[:DIMENSION]
    given[b"e" * 32] = extremes.astype(np.float16)
    with engine.begin() as connection:
        keep_vectors(connection, 1, given)
        found = kept_vectors(connection, 1, [*given, b"?" * 32])
    assert found.keys() == given.keys()
    assert all(found[key].tobytes() == given[key].tobytes() for key in given)


def test_what_is_kept_of_a_picture_stays(engine: Engine) -> None:
    (picture, first), (other, second) = vectors(2).items()
    with engine.begin() as connection:
        assert keep_vectors(connection, 1, {picture: first}) == {}
        assert keep_vectors(connection, 1, {picture: first}) == {}
        different = keep_vectors(connection, 1, {picture: second, other: second})
        assert different.keys() == {picture}
        assert np.array_equal(different[picture], first)
        found = kept_vectors(connection, 1, [picture, other])
    assert np.array_equal(found[picture], first)
    assert np.array_equal(found[other], second)


def test_a_picture_that_two_transactions_keep_is_a_collision_for_the_second(
    engine: Engine,
) -> None:
    given = vectors(1)
    with engine.connect() as first, engine.connect() as second:
        second.execute(text("SET SESSION default_transaction_isolation = 'repeatable read'"))
        second.commit()
        second.execute(text("SELECT 1 FROM encoder"))  # its snapshot does not see the first's row
        keep_vectors(first, 1, given)
        first.commit()
        with pytest.raises(IntegrityError) as collision:
            keep_vectors(second, 1, given)
    assert is_kept_meanwhile(collision.value)


def test_a_vector_of_another_encoder_is_refused(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(IntegrityError) as refused:
        keep_vectors(connection, 1, vectors(1, dimension=3))
    assert "ck_embedding_1_dimension" in str(refused.value)
    assert not is_kept_meanwhile(refused.value)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_no_number_that_is_not_finite_is_kept(engine: Engine, number: float) -> None:
    ((picture, vector),) = vectors(1).items()
    vector[5] = number
    with engine.connect() as connection, pytest.raises(DBAPIError, match="not allowed in halfvec"):
        keep_vectors(connection, 1, {picture: vector})


def seen(record_id: str, sha256: bytes, *, url: str = "http://x.org/a.jpg") -> Seen:
    return Seen(
        record_id=record_id, source=PictureSource.MEDIA, url=url, sha256=sha256, seen_at=NOW
    )


@pytest.mark.parametrize(("dimension", "most_bytes"), [(768, 1700), (1024, 2800), (1280, 2800)])
def test_rows_stay_out_of_toast(engine: Engine, dimension: int, most_bytes: int) -> None:
    count = 6_000
    with engine.begin() as connection:
        add_encoder(connection, 2, dimension)
        keep_vectors(connection, 2, vectors(count, dimension))
        size = "SELECT pg_relation_size(CAST(:name AS regclass)), pg_relation_size(reltoastrelid)"
        sizes = text(f"{size} FROM pg_class WHERE oid = CAST(:name AS regclass)")
        whole, toasted = connection.execute(sizes, {"name": partition_of(2)}).one()
    assert not toasted
    assert 2 * dimension < whole / count < most_bytes


def test_embeddings_of_an_encoder_go_at_once(engine: Engine) -> None:
    with engine.begin() as connection:
        keep_vectors(connection, 1, vectors(3))
        drop_partition(connection, 1)
        assert connection.execute(text("SELECT count(*) FROM embedding")).scalar() == 0


def test_many_are_read_by_record_source_and_address(engine: Engine) -> None:
    (old, _), (new, vector) = vectors(2).items()
    asked = [
        PlaceAsked(record_id=record_id, source=source, url=url)
        for record_id in ("/1/a", "/1/b", "/1/c")
        for source in PictureSource
        for url in ("http://x.org/a.jpg", "http://x.org/new.jpg")
    ]
    with engine.begin() as connection:
        keep_vectors(connection, 1, vectors(2))
        save_seen(connection, [seen("/1/a", old), seen("/1/b", b"?" * 32)])
        save_seen(connection, [seen("/1/a", new, url="http://x.org/new.jpg")])
        found = read_pictures(connection, 1, asked, dimension=DIMENSION)
        assert not read_pictures(connection, 1, [], dimension=DIMENSION).places
    assert [asked[place] for place in found.places] == [
        PlaceAsked(record_id="/1/a", source=PictureSource.MEDIA, url="http://x.org/new.jpg")
    ]
    assert found.seen_at == [NOW]
    assert found.vectors.tobytes() == vector.tobytes()


def test_of_what_was_seen_too_long_ago_nothing_is_read(engine: Engine) -> None:
    asked = [PlaceAsked(record_id="/1/a", source=PictureSource.MEDIA, url="http://x.org/a.jpg")]
    since = datetime.now(UTC) - NOW
    with engine.begin() as connection:
        keep_vectors(connection, 1, vectors(1))
        save_seen(connection, [seen("/1/a", next(iter(vectors(1))))])
        for spare, count in ((timedelta(hours=-1), 0), (timedelta(hours=1), 1)):
            found = read_pictures(connection, 1, asked, dimension=DIMENSION, max_age=since + spare)
            assert len(found.places) == len(found.vectors) == count


def test_two_transactions_that_see_the_same_place_first_are_a_collision(engine: Engine) -> None:
    with engine.connect() as first, engine.connect() as second:
        second.execute(text("SET SESSION default_transaction_isolation = 'repeatable read'"))
        second.commit()
        second.execute(text("SELECT 1 FROM encoder"))
        save_seen(first, [seen("/1/a", b"?" * 32)])
        first.commit()
        with pytest.raises(IntegrityError) as collision:
            save_seen(second, [seen("/1/a", b"?" * 32)])
    assert is_kept_meanwhile(collision.value)


def test_who_saw_a_picture_earlier_says_nothing(engine: Engine) -> None:
    (old, new) = vectors(2)
    earlier = replace(seen("/1/a", old), seen_at=NOW - timedelta(hours=1))
    with engine.begin() as connection:
        save_seen(connection, [seen("/1/a", new)])
        save_seen(connection, [earlier])
        row = connection.execute(text("SELECT sha256, seen_at FROM picture_seen")).one()
    assert (bytes(row.sha256), row.seen_at) == (new, NOW)


def test_the_time_of_a_read_is_limited(engine: Engine) -> None:
    asked = [PlaceAsked(record_id="/1/a", source=PictureSource.MEDIA, url="http://x.org/a.jpg")]
    with engine.connect() as connection:
        read_pictures(connection, 1, asked, dimension=DIMENSION)
        assert connection.execute(text("SHOW lock_timeout")).scalar() != "0"


TIMES = ("infinity", "-infinity", "20000-01-01", "0100-01-01 BC", "9999-12-31 23:59:59+00")


@pytest.mark.parametrize("time", TIMES)
def test_what_was_seen_at_no_time_that_can_be_is_looked_at_again(engine: Engine, time: str) -> None:
    asked = [PlaceAsked(record_id="/1/a", source=PictureSource.MEDIA, url="http://x.org/a.jpg")]
    picture = next(iter(vectors(1)))
    with engine.begin() as connection:
        keep_vectors(connection, 1, vectors(1))
        save_seen(connection, [seen("/1/a", picture)])
        connection.execute(text("UPDATE picture_seen SET seen_at = :time"), {"time": time})
        assert read_pictures(connection, 1, asked, dimension=DIMENSION).places == []
        save_seen(connection, [seen("/1/a", picture)])
        assert read_pictures(connection, 1, asked, dimension=DIMENSION).seen_at == [NOW]


def test_a_vector_of_another_length_is_not_read_and_named_where_it_is_in_the_way(
    engine: Engine,
) -> None:
    asked = [PlaceAsked(record_id="/1/a", source=PictureSource.MEDIA, url="http://x.org/a.jpg")]
    ((picture, vector),) = vectors(1).items()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE embedding_1 DROP CONSTRAINT ck_embedding_1_dimension"))
        row = {"sha256": picture}
        connection.execute(text("INSERT INTO embedding VALUES (1, :sha256, '[1,2,3]')"), row)
        save_seen(connection, [seen("/1/a", picture)])
        assert read_pictures(connection, 1, asked, dimension=DIMENSION).places == []
        for ask in (kept_vectors, keep_vectors):
            with pytest.raises(StoreError, match=f"{picture.hex()} has a wrong length"):
                ask(connection, 1, {picture: vector})
