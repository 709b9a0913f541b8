"""What to judge next: unsure records that differ."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.store.tables import Said
from common.vision.answers.answering import Answering
from common.vision.answers.heads import Head, HeadEnsemble, halved
from common.vision.bundle import Description
from common.vision.preprocessing import Preprocessing
from desk.review import next_to_judge as module
from desk.review.next_to_judge import Gradients, NextToJudge, draw_apart, next_to_judge
from tests.desk.museum import DIMENSION, LABELS, MAP, PAINTING, Museum

ROOT = Path(__file__).resolve().parents[3]
RECORDS = [f"/1/r{number:02}" for number in range(40)]


def answering() -> Answering:
    """A model that is sure of a map or a painting along the first axis, and unsure between."""
    weights = np.zeros((3, DIMENSION))
    weights[0, 0], weights[1, 0] = 20, -20
    head = Head.rounded(weights, np.array([0.0, 0.0, -20.0]))
    description = Description(
        architecture="timm:none",
        encoder="e" * 64,
        labels=tuple(LABELS.values()),
        concept_uris=tuple(LABELS),
        preprocessing=Preprocessing(size=32),
        kind="single",
        temperature=1.0,
        thresholds=dict.fromkeys(LABELS, 0.5),
        picture_source="thumbnail",
        created_from={},
    )
    return Answering(
        description=description, heads=HeadEnsemble((head,), "single", 1.0), likeness=None
    )


@pytest.fixture
def encoder(museum: Museum) -> int:
    """Of every four records one is between the concepts, each of these along an axis of its own."""
    museum.records("A museum", *RECORDS)
    museum.records("Another", "/1/other")
    encoder = museum.encoder(museum.model())
    vectors = {}
    for number, each in enumerate(RECORDS):
        vector = [0.0] * DIMENSION
        if number % 4:
            vector[0] = (-1.0) ** number
        vector[1 + number // 4 % (DIMENSION - 1)] = 1.0
        vectors[each] = vector
    museum.embed(encoder, vectors | {"/1/other": [1.0] * DIMENSION})
    return encoder


def chosen(museum: Museum, encoder: int, count: int = 5, seed: int = 0) -> list[NextToJudge]:
    with museum.engine.connect() as connection:
        return next_to_judge(
            connection, answering(), encoder, data_provider="A museum", count=count, seed=seed
        )


def test_records_of_which_the_model_is_unsure_come_next(museum: Museum, encoder: int) -> None:
    found = chosen(museum, encoder)
    assert len({each.record_id for each in found}) == 5
    # To gradients of different directions one without length is the nearest: it is drawn once.
    assert sum(each.confidence < 0.6 for each in found) >= 4
    assert {each.concept_uri for each in found} <= {MAP, PAINTING}


def test_the_same_seed_gives_the_same_records(museum: Museum, encoder: int) -> None:
    assert chosen(museum, encoder, seed=3) == chosen(museum, encoder, seed=3)


def test_what_was_judged_is_not_judged_again_nor_what_is_like_it(
    museum: Museum, encoder: int
) -> None:
    museum.say("one", RECORDS[0], MAP, Said.RIGHT)
    found = [each.record_id for each in chosen(museum, encoder, count=6)]
    alike = RECORDS[4 * (DIMENSION - 1)]  # between the concepts along the same axis
    assert RECORDS[0] not in found
    assert alike not in found


def test_what_an_open_audit_drew_is_left_to_it(museum: Museum, encoder: int) -> None:
    museum.user()
    museum.execute(
        "WITH made AS (INSERT INTO audit (model_id, thresholds, rows, sample, attempt, error,"
        " drawn_by) SELECT max(model.id), '{}', 9, 9, 1, 0.025, max(desk_user.id)"
        " FROM model, desk_user RETURNING id)"
        " INSERT INTO audit_draw SELECT made.id, row_number() OVER (), record.id, :concept, 'x'"
        " FROM made, record WHERE record.id <> ALL(:left)",
        concept=MAP,
        left=RECORDS[:3],
    )
    assert {each.record_id for each in chosen(museum, encoder, count=9)} == set(RECORDS[:3])


def test_a_provider_without_seen_pictures_has_nothing_to_judge(museum: Museum) -> None:
    museum.records("A museum", *RECORDS)
    encoder = museum.encoder(museum.model())
    assert chosen(museum, encoder) == []


def test_the_pool_is_drawn(museum: Museum, encoder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POOL", 3)
    pools = [{each.record_id for each in chosen(museum, encoder, 9, seed)} for seed in (1, 2)]
    assert [len(each) for each in pools] == [3, 3]
    assert pools[0] != pools[1]


def test_distances_are_those_of_the_gradients_that_are_never_formed() -> None:
    drawn = np.random.default_rng(0)
    probabilities = drawn.dirichlet(np.ones(3), size=8).astype(np.float32)
    embeddings = halved(drawn.normal(size=(8, 5)).astype(np.float32))
    for several in (False, True):
        found = Gradients.of(probabilities, embeddings, several=several)
        formed = np.einsum("nc,nd->ncd", found.errors, found.embeddings).reshape(8, -1)
        between = np.square(formed[:, None] - formed[None, 5:]).sum(axis=2).min(axis=1)
        part = Gradients(
            errors=found.errors[5:],
            embeddings=found.embeddings[5:],
            lengths=found.lengths[5:],
        )
        np.testing.assert_allclose(found.nearest(part), between, atol=1e-5)
        np.testing.assert_allclose(found.lengths, np.square(formed).sum(axis=1), atol=1e-5)


def test_of_copies_all_are_drawn_once() -> None:
    probabilities = np.tile(np.array([[0.6, 0.4]], dtype=np.float32), (4, 1))
    embeddings = halved(np.ones((4, 3), dtype=np.float32))
    gradients = Gradients.of(probabilities, embeddings, several=False)
    drawn = draw_apart(gradients, None, count=9, chance=np.random.default_rng(0))
    assert sorted(drawn) == [0, 1, 2, 3]


def test_choosing_and_renewing_load_no_torch() -> None:
    program = (
        "import sys, desk.review.next_to_judge, desk.teaching.renewal;"
        "sys.exit('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=300, check=False)
    assert ended.returncode == 0
