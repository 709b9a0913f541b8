import pytest

from common.store.tables import VerdictKind
from desk.review.neighbours import look_alikes
from tests.desk.museum import DIMENSION, MAP, PAINTING, Museum

RECORDS = [f"/1/r{number}" for number in range(6)]


@pytest.fixture
def filled(museum: Museum) -> Museum:
    museum.records("A museum", *RECORDS[:5])
    museum.records("Another museum", RECORDS[5])
    model = museum.model()
    job = museum.job(model, RECORDS)
    concepts = dict.fromkeys(RECORDS, (MAP, 0.9)) | {RECORDS[3]: (PAINTING, 0.9)}
    museum.enrich(job, model, concepts)
    museum.the_model, museum.the_encoder = model, museum.encoder(model)
    rest = [0.0] * (DIMENSION - 2)
    angles = [0.0, 0.1, 0.3, 0.1, 5.0, 0.0]
    found = {each: [1, angle, *rest] for each, angle in zip(RECORDS, angles, strict=True)}
    museum.embed(museum.the_encoder, found)
    return museum


def alike(museum, user="one", count=10):
    with museum.engine.connect() as connection:
        found = look_alikes(
            connection,
            RECORDS[0],
            encoder_id=museum.the_encoder,
            model_id=museum.the_model,
            concept=MAP,
            user_id=museum.user(user),
            count=count,
        )
    return [each.record_id for each in found]


def test_near_pictures_of_the_same_provider_and_suggestion_are_found(filled):
    assert alike(filled) == [RECORDS[1], RECORDS[2]]
    assert alike(filled, count=1) == [RECORDS[1]]


def test_what_the_reviewer_has_judged_is_left_out(filled):
    filled.say("one", RECORDS[1], MAP, VerdictKind.RIGHT)
    assert alike(filled) == [RECORDS[2]]
    assert alike(filled, user="two") == [RECORDS[1], RECORDS[2]]
