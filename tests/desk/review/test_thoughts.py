"""What a real model on an encoder thinks of records whose embeddings are kept."""

import numpy as np
import pytest

from desk.review.filters import ViewFilters
from desk.review.shown_models import LoadedHeads, models_of
from desk.review.thoughts import embeddings_of, thoughts_of
from tests.desk.museum import MAP, PAINTING, Museum
from tests.worker.on_encoder import add_encoder, promote, to_all_near, to_nothing

RECORDS = ["/1/a", "/1/b", "/1/c"]


@pytest.fixture
def encoder(museum: Museum, tmp_path):
    museum.records("A museum", *RECORDS)
    return add_encoder(museum.engine, tmp_path)


def vectors(encoder):
    drawn = np.random.default_rng(0).normal(size=(2, encoder.dimension))
    return dict(zip(RECORDS, drawn, strict=False))


def thoughts(museum, tmp_path):
    with museum.engine.connect() as connection:
        (model,) = models_of(connection, ViewFilters())
        embeddings = embeddings_of(connection, model.encoder_id, RECORDS)
        return thoughts_of(LoadedHeads(tmp_path).of(model), embeddings)


def keep(museum, encoder):
    (number,) = museum.rows("SELECT id FROM encoder")[0]
    museum.embed(number, vectors(encoder))


def test_a_model_thinks_of_what_was_seen(museum, encoder, tmp_path):
    promote(museum.engine, tmp_path, encoder, name="drawn", thresholds={MAP: 0.0, PAINTING: None})
    keep(museum, encoder)
    found = thoughts(museum, tmp_path)
    assert set(found) == set(RECORDS[:2])  # the third was not seen
    for each in found.values():
        assert each.is_written == (each.concept == MAP)
        shares = list(each.probable.values())
        assert shares == sorted(shares, reverse=True)
        assert set(each.probable) == {MAP, PAINTING}
        assert 0.0 <= each.confidence == shares[0] <= 1.0
        assert not each.is_unlike


@pytest.mark.parametrize("is_unlike", [True, False])
def test_a_picture_unlike_all_that_was_learned_is_told(museum, encoder, tmp_path, is_unlike):
    first = next(iter(vectors(encoder).values()))
    own = (first / np.linalg.norm(first)).astype(np.float16)[np.newaxis]
    promote(
        museum.engine,
        tmp_path,
        encoder,
        name="drawn",
        thresholds={MAP: 0.0, PAINTING: 0.0},
        likeness=to_nothing(encoder.dimension) if is_unlike else to_all_near(own),
    )
    keep(museum, encoder)
    assert thoughts(museum, tmp_path)[RECORDS[0]].is_unlike == is_unlike


def test_of_nothing_there_is_no_thought(museum, encoder, tmp_path):
    promote(museum.engine, tmp_path, encoder, name="drawn", thresholds={MAP: 0.0})
    assert thoughts(museum, tmp_path) == {}
