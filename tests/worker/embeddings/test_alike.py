"""Which records are most alike, with and without an index."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from common.errors import StoreError, UsageError
from common.store.embeddings import save_seen
from common.store.encoders import find_encoder
from tests.worker.embeddings.conftest import digest, seen, vector
from worker.embeddings import alike
from worker.embeddings.alike import LONGEST_NAME, Alike, find_alike
from worker.embeddings.indexing import make_index


def ids(alike: Alike) -> list[str]:
    return [each.record_id for each in alike.found]


def test_the_nearest_come_first_with_their_similarity(arc: Engine) -> None:
    alike = find_alike(arc, "http://data.europeana.eu/item/1/r10", count=5)
    assert (alike.is_exact, alike.compared, alike.encoder.name) == (True, 50, "arc")
    assert ids(alike) == ["/1/r09", "/1/r11", "/1/r08", "/1/r12", "/1/r07"] or ids(alike)[:2] in (
        ["/1/r09", "/1/r11"],
        ["/1/r11", "/1/r09"],
    )
    expected = float(vector(10).astype(np.float64) @ vector(9).astype(np.float64))
    assert alike.found[0].similarity == pytest.approx(expected, abs=1e-3)
    assert alike.found[0].title in ("picture 9", "picture 11")
    assert alike.record.record_id == "/1/r10"


def test_an_index_finds_the_same_here_and_the_answer_says_so(arc: Engine) -> None:
    exact = find_alike(arc, "/1/r20", count=10)
    with arc.connect() as connection:
        encoder = find_encoder(connection, "arc")
    assert make_index(arc, encoder)
    found = find_alike(arc, "/1/r20", count=10)
    assert (found.is_exact, set(ids(found))) == (False, set(ids(exact)))
    again = find_alike(arc, "/1/r20", count=10, exact=True)
    assert (again.is_exact, ids(again)) == (True, ids(exact))


def test_a_picture_of_several_records_counts_for_each_and_a_record_once(arc: Engine) -> None:
    with arc.begin() as connection:
        copies = [seen(number, picture=11, source="thumbnail") for number in range(60, 90)]
        save_seen(connection, [*copies, seen(12, picture=11, source="thumbnail")])
    alike = find_alike(arc, "/1/r11", count=32)
    assert set(ids(alike)) >= {f"/1/r{number}" for number in range(60, 90)} | {"/1/r12"}
    assert len(ids(alike)) == len(set(ids(alike))) == 32
    assert "/1/r11" not in ids(alike)
    assert {each.title for each in alike.found[:31]} == {None, "picture 12"}


def test_more_pictures_are_asked_for_where_nobody_shows_the_nearest(arc: Engine) -> None:
    with arc.begin() as connection:
        connection.execute(
            text("DELETE FROM picture_seen WHERE record_id BETWEEN '/1/r01' AND '/1/r39'")
        )
    assert ids(find_alike(arc, "/1/r00", count=3)) == ["/1/r40", "/1/r41", "/1/r42"]
    assert len(ids(find_alike(arc, "/1/r00", count=100))) == 10


def test_an_old_id_is_the_present_record(arc: Engine) -> None:
    with arc.begin() as connection:
        connection.execute(text("INSERT INTO record_alias VALUES ('/0/old', '/1/r05')"))
    assert find_alike(arc, "/0/old", count=1).record.record_id == "/1/r05"


@pytest.mark.parametrize(
    ("record", "encoder", "told"),
    [
        ("/1/unknown", None, "The encoder arc has not seen a picture of /1/unknown"),
        ("/1/r01", "empty", "The encoder empty has not seen"),
        ("/1/r01", "none", "There is no encoder none; there are: arc, empty"),
        ("nonsense", None, "is not a record ID"),
    ],
)
def test_what_cannot_be_answered_says_why(
    arc: Engine, record: str, encoder: str | None, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        find_alike(arc, record, count=1, encoder=encoder)


def test_without_any_embedding_the_encoder_must_be_named(engine: Engine) -> None:
    with pytest.raises(UsageError, match="Encoders with embeddings: none"):
        find_alike(engine, "/1/a", count=1)


def test_where_the_index_sees_no_further_everything_is_compared(
    arc: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with arc.connect() as connection:
        make_index(arc, find_encoder(connection, "arc"))
    few = dict.fromkeys([bytes(32)], 0.5)
    distances = alike._distances

    def near_sighted(*asked, is_exact, **more):
        return distances(*asked, is_exact=True, **more) if is_exact else few

    monkeypatch.setattr(alike, "_distances", near_sighted)
    found = find_alike(arc, "/1/r00", count=5)
    assert (found.is_exact, len(found.found)) == (True, 5)


def test_a_picture_of_very_many_records_brings_few_of_them(arc: Engine) -> None:
    with arc.begin() as connection:
        save_seen(connection, [replace(seen(1), record_id=f"/2/r{n:03}") for n in range(200)])
    found = find_alike(arc, "/1/r00", count=3).found
    assert [each.record_id for each in found] == ["/1/r01", "/2/r000", "/2/r001"]


def set_vector(engine: Engine, number: int, vector: str) -> None:
    """Another program writes into the table."""
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE embedding_1 DROP CONSTRAINT IF EXISTS ck_embedding_1_dimension")
        )
        connection.execute(
            text("UPDATE embedding SET vector = CAST(:vector AS halfvec) WHERE sha256 = :sha256"),
            {"vector": vector, "sha256": digest(number)},
        )


@pytest.mark.parametrize("written", ["[0,0,0,0,0,0,0,0]", "[1,2,3]"])
def test_what_cannot_be_compared_is_left_out_or_named(arc: Engine, written: str) -> None:
    set_vector(arc, 3, written)
    found = find_alike(arc, "/1/r00", count=100)
    assert len(found.found) == 48
    assert "/1/r03" not in ids(found)
    assert all(-1 <= each.similarity <= 1 for each in found.found)
    with pytest.raises(StoreError, match=f"of /1/r03 cannot be compared.*{digest(3).hex()}"):
        find_alike(arc, "/1/r03", count=1)


@pytest.mark.parametrize("time", ["infinity", "20000-01-01", "0100-01-01 BC"])
def test_what_was_seen_at_no_time_that_can_be_was_not_seen(arc: Engine, time: str) -> None:
    with arc.begin() as connection:
        connection.execute(
            text("UPDATE picture_seen SET seen_at = :time WHERE record_id = '/1/r03'"),
            {"time": time},
        )
    assert "/1/r03" not in ids(find_alike(arc, "/1/r00", count=10))
    with pytest.raises(UsageError, match="has not seen a picture of /1/r03"):
        find_alike(arc, "/1/r03", count=1)


def test_long_names_are_cut(arc: Engine) -> None:
    with arc.begin() as connection:
        connection.execute(text("UPDATE record SET title = repeat('t', 3000000)"))
        connection.execute(text("UPDATE record SET data_provider = repeat('p', 3000000)"))
    (found,) = find_alike(arc, "/1/r00", count=1).found
    assert (found.title, found.data_provider) == ("t" * LONGEST_NAME, "p" * LONGEST_NAME)
