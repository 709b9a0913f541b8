"""The index for similar pictures is made once, and again if it was left half-made."""

import pytest
from sqlalchemy import Engine, text

from common.store.encoders import StoredEncoder, find_encoder, kept_embeddings
from common.store.tables.seen import index_of
from worker.embeddings import indexing
from worker.embeddings.indexing import make_index


@pytest.fixture
def encoder(arc: Engine) -> StoredEncoder:
    with arc.connect() as connection:
        return find_encoder(connection, "arc")


def has_index(engine: Engine) -> dict[str, bool]:
    with engine.connect() as connection:
        return {each.encoder.name: each.has_index for each in kept_embeddings(connection)}


def test_an_index_is_made_once_and_listed(arc: Engine, encoder: StoredEncoder) -> None:
    assert has_index(arc) == {"arc": False, "empty": False}
    assert make_index(arc, encoder)
    assert has_index(arc) == {"arc": True, "empty": False}
    assert not make_index(arc, encoder)


def test_a_half_made_index_does_not_count_and_is_made_again(
    arc: Engine, encoder: StoredEncoder
) -> None:
    make_index(arc, encoder)
    with arc.begin() as connection:
        spoil = text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)")
        connection.execute(spoil, {"name": index_of(encoder.id)})
    assert has_index(arc)["arc"] is False
    assert make_index(arc, encoder)
    assert has_index(arc)["arc"] is True


def test_who_stops_it_ends_the_making(
    arc: Engine, encoder: StoredEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise InterruptedError

    with arc.connect() as other, monkeypatch.context() as patch:
        patch.setattr(indexing, "_watch", interrupt)
        other.execute(text("LOCK TABLE embedding IN SHARE ROW EXCLUSIVE MODE"))
        with pytest.raises(InterruptedError):
            make_index(arc, encoder)
    assert has_index(arc)["arc"] is False
    make_index(arc, encoder)
    assert has_index(arc)["arc"] is True
