"""Bundles of taught models."""

from pathlib import Path

import pytest
from sqlalchemy import select

from common.errors import ModelError, UsageError
from common.store.tables import PromotedModel
from common.vision.answers.likeness import MOST_REFERENCES
from common.vision.saved_model import load_bundle
from tests.trainer.bundles import promoted
from tests.trainer.teaching.school import MUSEUM, URIS, School
from trainer.models.store import stored_models
from trainer.teaching import taught_model
from trainer.teaching.examples import read_examples
from trainer.teaching.refit import refit
from trainer.teaching.taught_model import open_teachable, save_taught


def save(school: School) -> PromotedModel:
    """Teach forty verdicts; the row of the new model."""
    school.judge(40)
    base = open_teachable(school.engine, school.model_dir, school.model_id)
    with school.engine.connect() as connection:
        examples = read_examples(
            connection, base.description, base.encoder.id, data_provider=MUSEUM
        ).examples
        head = refit(examples, base.heads)
        save_taught(school.engine, school.model_dir, base, head, examples, data_provider=MUSEUM)
        row: PromotedModel = connection.execute(
            select(PromotedModel).where(PromotedModel.version == 2)
        ).one()  # type: ignore[assignment] - a row has the same names
    return row


def test_a_taught_model_promises_nothing_and_names_its_origin(school: School) -> None:
    row = save(school)
    model = load_bundle(school.model_dir / row.path, row.sha256)
    model.self_test(model.served.rows)
    says = model.description
    assert says.thresholds == dict.fromkeys(URIS, 0.5)
    assert (says.promise, row.promise, row.run_id) == (None, None, None)
    assert (row.stage, row.name) == ("candidate", "heads")
    (base, taught) = stored_models(school.engine)
    assert taught.vocabulary == base.vocabulary == "model-heads@1"
    assert says.created_from == {
        "data": "dataset plain",
        "dataset_fingerprint": "",
        "taught_from": "heads@1",
        "data_provider": MUSEUM,
        "verdicts": 40,
    }
    assert len(model.self_test_pictures) == 4


def test_the_pictures_that_taught_are_like_those_that_the_model_learned_from(
    school: School,
) -> None:
    row = save(school)
    likeness = load_bundle(school.model_dir / row.path, row.sha256).answering.likeness
    assert likeness is not None
    assert (len(likeness.references), likeness.least) == (50 + 40, 0.1)


def test_references_of_old_pictures_make_room_for_judged_ones(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_REFERENCES > 90
    monkeypatch.setattr(taught_model, "most_references", lambda _: 45)
    row = save(school)
    likeness = load_bundle(school.model_dir / row.path, row.sha256).answering.likeness
    assert likeness is not None
    assert len(likeness.references) == 45


def test_a_whole_network_cannot_be_taught(school: School, tmp_path: Path) -> None:
    promoted(school.engine, school.model_dir, active=False)
    with school.engine.connect() as connection:
        network = connection.execute(
            select(PromotedModel.id).where(PromotedModel.name == "small")
        ).scalar_one()
    with pytest.raises(ModelError, match="small v1 cannot learn from verdicts. Only heads"):
        open_teachable(school.engine, school.model_dir, network)
    with pytest.raises(UsageError, match="no model with number 99"):
        open_teachable(school.engine, school.model_dir, 99)
