"""Which models a job is for."""

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from tests.worker.ledger_rows import claim, finish
from tests.worker.on_encoder import insert_model
from worker import jobs
from worker.jobs import JobOptions
from worker.jobs.models import MOST_MODELS


@pytest.fixture
def encoders(engine: Engine, model_id: int) -> None:
    """The models a and b on one encoder, c on another one; the active model is on none."""
    insert = text("""
        INSERT INTO encoder (name, sha256, network, dimension)
        VALUES (:name, repeat(:letter, 64), 'timm:x', 3)
    """)
    with engine.begin() as connection:
        for name, letter in (("first", "a"), ("second", "b")):
            connection.execute(insert, {"name": name, "letter": letter})
    for number, (name, letter) in enumerate(zip("abc", "aab", strict=True)):
        insert_model(engine, name, f"{number + 1:064}", letter * 64, ())


@pytest.mark.usefixtures("encoders")
def test_models_on_one_encoder_make_one_job(engine: Engine) -> None:
    options = JobOptions(model=["b", "a@1", "b@1"])
    accepted = jobs.enqueue(engine, ["/1/a", "/1/b"], options)
    assert jobs.status(engine, accepted.job_id).model == "b v1, a v1"
    (row,) = jobs.list_jobs(engine)
    assert row.model == "b v1, a v1"
    assert len(claim(engine, accepted.job_id, 1).model_ids) == 2
    assert jobs.preview(engine, ["/1/a"], options).model == "b v1, a v1"


@pytest.mark.usefixtures("encoders")
@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a", "c"], "a v1 is on the encoder first; c v1 is on the encoder second"),
        (["a", "test"], "a v1 is on the encoder first; test v1 is on no encoder"),
        (["a"] * (MOST_MODELS + 1), "too many"),
    ],
)
def test_models_on_different_encoders_are_refused(
    engine: Engine, names: list[str], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        jobs.enqueue(engine, ["/1/a"], JobOptions(model=names))


@pytest.mark.usefixtures("encoders")
def test_unseen_records_are_those_that_not_all_models_have_seen(engine: Engine) -> None:
    both = jobs.enqueue(engine, ["/1/a"], JobOptions(model=["a", "b"]))
    finish(engine, claim(engine, both.job_id, 1))
    jobs.enqueue(engine, ["/1/b"], JobOptions(model="a"))
    ids = ["/1/a", "/1/b", "/1/c"]
    for model, seen in ((["a", "b"], 1), ("a", 2), ("b", 1), ("c", 0)):
        preview = jobs.preview(engine, ids, JobOptions(model=model, unseen=True))
        assert (preview.seen, preview.total) == (seen, 3 - seen)


@pytest.mark.usefixtures("encoders")
def test_the_model_that_was_trained_on_other_pictures_is_the_one_warned_of(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET picture_source = 'media' WHERE name = 'b'"))
    accepted = jobs.enqueue(engine, ["/1/a"], JobOptions(model=["a", "b"]))
    assert accepted.pictures.differ
