import pytest

from common.store.tables import VerdictKind
from desk.review.neighbours import judged_neighbours
from desk.review.shown_models import ShownModel
from tests.desk.museum import DIMENSION, MAP, PAINTING, Museum

RECORDS = [f"/1/r{number}" for number in range(6)]


@pytest.fixture
def encoder(museum: Museum) -> int:
    """Records whose embeddings turn away from the first one's, step by step."""
    museum.records("A museum", *RECORDS)
    encoder = museum.encoder(museum.model())
    rest = [0.0] * (DIMENSION - 2)
    museum.embed(encoder, {each: [1, number, *rest] for number, each in enumerate(RECORDS)})
    return encoder


def found(museum, encoder, record_id=RECORDS[0], count=3):
    with museum.engine.connect() as connection:
        model = ShownModel(
            id=1, name="a", version=1, path="", sha256="", encoder_id=encoder, vocabulary_id=None,
            concepts={},
        )  # fmt: skip
        return judged_neighbours(connection, model, record_id, count=count)


def test_the_nearest_of_the_judged_are_found(museum, encoder):
    museum.say("one", RECORDS[4], MAP, VerdictKind.RIGHT)
    museum.say("one", RECORDS[2], MAP, VerdictKind.WRONG, instead=PAINTING)
    museum.say("one", RECORDS[1], MAP, VerdictKind.CANNOT_TELL)
    museum.say("one", RECORDS[0], MAP, VerdictKind.RIGHT)
    near = found(museum, encoder)
    assert [each.record_id for each in near] == [RECORDS[2], RECORDS[4]]
    assert (near[0].concept, near[0].said, near[0].instead) == (
        "map",
        VerdictKind.WRONG,
        "painting",
    )
    assert near[0].similarity == pytest.approx(5**-0.5, abs=1e-3)


def test_what_was_withdrawn_is_not_judged(museum, encoder):
    museum.say("one", RECORDS[2], MAP, VerdictKind.RIGHT)
    museum.execute("UPDATE verdict SET withdrawn_at = now()")
    assert found(museum, encoder) == []


def test_a_picture_that_was_not_seen_has_none(museum, encoder):
    museum.say("one", RECORDS[2], MAP, VerdictKind.RIGHT)
    assert found(museum, encoder, "/1/none") == []
