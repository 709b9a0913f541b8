"""What is said of many records at once is what is said of one after the other."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.pictures.sources import PictureUrl
from common.store.tables import PictureSource
from common.vision.answers.answering import Answering
from common.vision.answers.heads import Head, HeadEnsemble, halved
from common.vision.answers.likeness import NEIGHBOURS, Likeness
from tests.common.vision.models import DESCRIPTION, MAP, PAINTING
from worker.enrich.model_pool import LoadedModel
from worker.enrich.predicting import predict_records
from worker.enrich.seen import RecordSeen
from worker.ledger.predictions import PredictedRecord, RecordPrediction
from worker.ledger.routes import Routes

LOWEST = np.array([0.5, 0.2], dtype=np.float32).tolist()  # confidences that are written
PROVIDERS = ("Louvre", "Prado")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
MODEL = LoadedModel(
    id=1,
    title="test v1",
    folder=Path("test-1"),
    sha256="0" * 64,
    answering=Answering(
        description=replace(DESCRIPTION, thresholds={MAP: 0.5, PAINTING: 0.2}),
        heads=None,
        likeness=None,
    ),
    encoder=None,
)

STRICT = replace(DESCRIPTION, thresholds={MAP: 0.95, PAINTING: 0.95})


def records(count: int) -> list[RecordSeen]:
    return [
        RecordSeen(
            asked_id=f"/1/old{number}",
            record_id=f"/1/r{number}",
            data_provider=PROVIDERS[number % 2],
            picture=PictureUrl(f"http://m.example/{number}", PictureSource.MEDIA),
            seen_at=NOW,
        )
        for number in range(count)
    ]


def said(
    records: list[RecordSeen], rows: NDArray[np.floating], model: LoadedModel = MODEL
) -> dict[str, PredictedRecord]:
    return predict_records(records, rows, models=[model], routes=Routes(model_id=model.id))


def predictions(answers: dict[str, PredictedRecord]) -> list[RecordPrediction]:
    return [found for each in answers.values() for found in each.predictions]


def test_each_record_gets_what_its_own_row_says() -> None:
    rows = np.random.default_rng(0).dirichlet([1, 1], size=50).astype(np.float32)
    rows[0] = (0.5, 0.2)  # at the thresholds
    found = predictions(said(records(50), rows))
    told = {(each.record_id, each.concept_uri): each.confidence for each in found}
    assert told == {
        (f"/1/r{number}", uri): confidence
        for number, row in enumerate(rows.tolist())
        for uri, confidence, lowest in zip((MAP, PAINTING), row, LOWEST, strict=True)
        if confidence >= lowest
    }
    assert ("/1/r0", PAINTING) in told
    assert {(each.image_url, each.seen_at) for each in found if each.record_id == "/1/r7"} == {
        ("http://m.example/7", NOW)
    }


def test_what_a_record_gets_does_not_depend_on_its_neighbours() -> None:
    drawn = np.random.default_rng(0)
    heads = tuple(Head.rounded(drawn.normal(size=(2, 64)), np.zeros(2)) for _ in range(3))
    ensemble = HeadEnsemble(heads, "single", 1.3)
    model = replace(MODEL, answering=replace(MODEL.answering, heads=ensemble))
    rows = halved(drawn.normal(size=(100, 64)).astype(np.float32))
    together = said(records(100), rows, model)
    singly = [
        said([record], rows[number : number + 1], model)
        for number, record in enumerate(records(100))
    ]
    assert together == {key: found for each in singly for key, found in each.items()}
    assert predictions(together)


def test_each_record_is_answered_for_by_the_model_of_its_route() -> None:
    rows = np.array([[0.9, 0.1]] * 4, dtype=np.float32)
    strict = replace(MODEL, id=2, answering=replace(MODEL.answering, description=STRICT))
    routes = Routes(model_id=1, by_provider={"Prado": 2})
    found = predict_records(records(4), rows, models=[MODEL, strict], routes=routes)
    told = {
        key: (each.record_id, each.model_id, len(each.predictions)) for key, each in found.items()
    }
    assert told == {
        "/1/old0": ("/1/r0", 1, 1),
        "/1/old1": ("/1/r1", 2, 0),
        "/1/old2": ("/1/r2", 1, 1),
        "/1/old3": ("/1/r3", 2, 0),
    }


def test_of_no_record_nothing_is_said() -> None:
    assert said([], np.zeros((0, 2), dtype=np.float32)) == {}


def test_a_record_that_is_unlike_all_that_was_learned_gets_no_concept() -> None:
    """Its features point elsewhere than those of all references."""
    references = np.tile(np.eye(1, 4, dtype=np.float16), (NEIGHBOURS, 1))
    answering = replace(MODEL.answering, likeness=Likeness.of(references, 0.5))
    probabilities_and_features = [[0.9, 0.1, 3, 0, 0, 0], [0.7, 0.3, 0, 3, 0, 0]]
    rows = np.array(probabilities_and_features, dtype=np.float32)
    found = said(records(2), rows, replace(MODEL, answering=answering))
    assert [each.key for each in predictions(found)] == [("/1/r0", MAP)]
    like, unlike = found.values()
    assert (like.data_provider, like.is_unlike) == ("Louvre", False)
    assert (unlike.data_provider, unlike.is_unlike) == ("Prado", True)
    assert unlike.confidence == np.float32(0.7)
