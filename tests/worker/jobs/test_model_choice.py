"""Which models a job is for."""

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from tests.worker.ledger_rows import claim, finish, rows
from tests.worker.on_encoder import insert_model
from worker import jobs
from worker.jobs import JobOptions
from worker.jobs import model_choice as choosing
from worker.jobs.model_choice import NAMED, title_of
from worker.ledger.routes import Routes


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
def test_a_name_alone_is_the_version_in_service(engine: Engine) -> None:
    newer = text("""
        INSERT INTO model (name, version, path, sha256, labels, thresholds)
        SELECT name, 2, name || '-2', lpad(CAST(id AS text), 64, '9'), '{}', '{}' FROM model
    """)
    with engine.begin() as connection:
        connection.execute(newer)
    assert jobs.preview(engine, ["/1/a"], JobOptions(model="test")).model == "test v1"
    with pytest.raises(UsageError, match="Give the version that you mean: a@1, a@2"):
        jobs.preview(engine, ["/1/a"], JobOptions(model="a"))


@pytest.mark.usefixtures("encoders")
def test_unseen_records_are_those_that_the_model_has_not_seen(engine: Engine) -> None:
    by_b = jobs.enqueue(engine, ["/1/a"], JobOptions(model="b"))
    finish(engine, claim(engine, by_b.job_id, 1))
    jobs.enqueue(engine, ["/1/a", "/1/b"], JobOptions(model="a"))
    ids = ["/1/a", "/1/b", "/1/c"]
    for model, seen in (("a", 2), ("b", 1), ("c", 0)):
        preview = jobs.preview(engine, ids, JobOptions(model=model, unseen=True))
        assert (preview.seen, preview.total) == (seen, 3 - seen)


@pytest.mark.usefixtures("museums")
def test_the_model_that_was_trained_on_other_pictures_is_the_one_warned_of(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET picture_source = 'media' WHERE name = 'b'"))
    assert jobs.enqueue(engine, ["/1/m"]).pictures.differ


LOUVRE, PRADO = "Louvre", "Prado"


@pytest.fixture
def museums(engine: Engine, encoders: None) -> None:
    """Records of three museums. On the encoder of `a`, the active model, `b` serves the Louvre;
    `c`, which is on another encoder, serves the Prado, and `d` nobody any more."""
    records = [("/1/l", "Lou\nvre"), ("/1/m", "Louvre"), ("/1/p", PRADO), ("/1/n", None)]
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO record (id, data_provider) VALUES (:id, :provider)"),
            [{"id": id_, "provider": provider} for id_, provider in records],
        )
        connection.execute(text("UPDATE model SET stage = 'candidate'"))
        connection.execute(text("UPDATE model SET stage = 'active' WHERE name = 'a'"))
        service = "INSERT INTO service (data_provider, model_id, ended_at) SELECT :of, id, "
        for of, name, ended in (
            (None, "a", "NULL"),
            ("Lou vre", "b", "NULL"),
            (LOUVRE, "b", "NULL"),
            (PRADO, "c", "NULL"),
            ("Tate", "b", "now()"),
        ):
            statement = text(f"{service} {ended} FROM model WHERE name = :name")
            connection.execute(statement, {"of": of, "name": name})


def numbers(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, id FROM model"))
        return {row.name: row.id for row in rows}


@pytest.mark.usefixtures("museums")
def test_without_a_model_each_record_gets_the_one_in_service(engine: Engine) -> None:
    job_id = jobs.enqueue(engine, ["/1/l", "/1/m", "/1/p", "/1/n"]).job_id
    of = numbers(engine)
    lease = claim(engine, job_id, 1)
    assert lease.routes.model_ids == (of["a"], of["b"])
    answers = {each: lease.routes.model_of(each) for each in ("Lou\nvre", LOUVRE, PRADO, "")}
    assert answers == {"Lou\nvre": of["b"], LOUVRE: of["b"], PRADO: of["a"], "": of["a"]}
    told = "a v1, and b v1 for Lou vre, Louvre"
    assert jobs.status(engine, job_id).model == told
    assert [row.model for row in jobs.list_jobs(engine)] == [told]
    assert rows(engine, "SELECT also_models FROM job") == [([of["b"]],)]  # for workers before 0019
    assert jobs.preview(engine, ["/1/l", "/1/m"]).model == told


@pytest.mark.usefixtures("museums")
def test_routes_are_those_of_data_providers_that_occur_or_may_occur(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs.preview(engine, ["/1/p", "/1/n"]).model == "a v1"
    assert jobs.preview(engine, ["/1/m"]).model == "a v1, and b v1 for Louvre"
    assert jobs.preview(engine, ["/1/p", "/1/unknown"]).model.startswith("a v1, and b v1")
    monkeypatch.setattr(choosing, "CHEAP", 0)
    assert jobs.preview(engine, ["/1/p"]).model.startswith("a v1, and b v1")


@pytest.mark.usefixtures("museums")
def test_a_job_that_names_its_model_has_no_routes(engine: Engine) -> None:
    job_id = jobs.enqueue(engine, ["/1/l"], JobOptions(model="a")).job_id
    lease = claim(engine, job_id, 1)
    assert lease.routes == Routes(model_id=numbers(engine)["a"])


@pytest.mark.usefixtures("museums")
def test_routes_are_frozen_when_a_job_is_accepted(engine: Engine) -> None:
    job_id = jobs.enqueue(engine, ["/1/l"]).job_id
    with engine.begin() as connection:
        connection.execute(text("UPDATE service SET ended_at = now()"))
    assert claim(engine, job_id, 1).routes.by_provider
    assert jobs.preview(engine, ["/1/l"]).model == "a v1"


@pytest.mark.usefixtures("museums")
def test_unseen_are_records_that_the_model_in_service_for_them_has_not_seen(
    engine: Engine,
) -> None:
    ids, unseen = ["/1/l", "/1/m", "/1/p", "/1/n"], JobOptions(unseen=True)
    usual = jobs.enqueue(engine, ["/1/l", "/1/p"], JobOptions(model="a")).job_id
    finish(engine, claim(engine, usual, 1))
    assert jobs.preview(engine, ids, unseen).seen == 1  # /1/p
    routed = jobs.enqueue(engine, ["/1/l", "/1/n"]).job_id
    finish(engine, claim(engine, routed, 1))
    assert jobs.preview(engine, ids, unseen).seen == 3
    seen_by_b = JobOptions(unseen=True, model="b")
    assert jobs.preview(engine, ids, seen_by_b).seen == 1  # /1/l


def test_many_data_providers_of_a_model_are_counted() -> None:
    routes = {f"museum {number}": 2 for number in range(NAMED + 1)} | {"Louvre": 3}
    told = title_of((1, 2, 3), ("a v1", "b v1", "c v2"), routes)
    assert told == "a v1, and b v1 for 4 data providers, and c v2 for Louvre"
