"""Data providers that the promises of a job are not for."""

import json

import pytest
from sqlalchemy import Engine, text

from tests.worker.on_encoder import insert_model
from worker import jobs
from worker.jobs import Unpromised, without_promise

LEARNED_FROM = {"Louvre": 1000}


def promise_for(engine: Engine, model_id: int, providers: dict[str, int]) -> None:
    change = text("UPDATE model SET promise = CAST(:promise AS jsonb) WHERE id = :id")
    with engine.begin() as connection:
        told = {"promise": json.dumps({"providers": providers}), "id": model_id}
        connection.execute(change, told)


@pytest.fixture
def museums(engine: Engine, records: list[str]) -> list[str]:
    """Of six hundred records three hundred are the Louvre's, a hundred of nobody, the rest of two
    other museums; one has moved."""
    change = text("""
        UPDATE record SET data_provider = CASE
            WHEN n <= 300 THEN 'Louvre' WHEN n <= 400 THEN NULL
            WHEN n <= 550 THEN 'Prado' ELSE 'Uffizi' END
        FROM (SELECT id, CAST(substr(id, 5) AS int) AS n FROM record) AS numbered
        WHERE record.id = numbered.id
    """)
    with engine.begin() as connection:
        connection.execute(change)
        connection.execute(text("INSERT INTO record_alias VALUES ('/0/old', '/1/r600')"))
    return ["/0/old", *records[:599], "/9/unknown"]


def test_providers_that_a_model_learned_nothing_from_are_counted(
    engine: Engine, model_id: int, museums: list[str]
) -> None:
    promise_for(engine, model_id, LEARNED_FROM)
    job_id = jobs.enqueue(engine, museums).job_id
    (told,) = jobs.unpromised(engine, job_id)
    assert told == Unpromised(
        models=("test v1",),
        data_providers={"Prado": 150, "Uffizi": 50},
        counted=601,
        is_sample=False,
    )
    assert list(told.data_providers) == ["Prado", "Uffizi"]
    assert str(told) == (
        "The accuracy of test v1 is not guaranteed for Prado (150), Uffizi (50), because it was "
        "not tested on their records."
    )
    assert jobs.preview(engine, museums).unpromised == [told]


def test_a_model_without_a_promise_is_told_of(
    engine: Engine, model_id: int, museums: list[str]
) -> None:
    (told,) = jobs.unpromised(engine, jobs.enqueue(engine, museums).job_id)
    assert str(told) == (
        "The accuracy of test v1 is not guaranteed, because the store has no promise for it."
    )
    assert jobs.preview(engine, museums).unpromised == [told]


def certify(engine: Engine, model_id: int, record_id: str) -> None:
    for statement in (
        "INSERT INTO desk_user (name, role) VALUES ('ann', 'reviewer')",
        "INSERT INTO concept VALUES ('http://x.example/map', 'map') ON CONFLICT DO NOTHING",
        "INSERT INTO audit (model_id, data_provider, thresholds, rows, sample, attempt, error,"
        " drawn_by, drawn_at, state, ended_at, right_ones, precision)"
        " SELECT :model_id, 'Prado', '{}', 9, 9, 1, 0.025, id, '2026-11-24', 'closed', now(), 9, 1"
        " FROM desk_user",
        "INSERT INTO audit_block SELECT id, 1, 'http://x.example/map', ARRAY[:record_id]"
        " FROM audit",
    ):
        with engine.begin() as connection:
            connection.execute(text(statement), {"model_id": model_id, "record_id": record_id})


def test_a_certificate_stands_where_nothing_would_be_promised(
    engine: Engine, model_id: int, museums: list[str]
) -> None:
    certify(engine, model_id, "/1/r600")
    job_id = jobs.enqueue(engine, museums).job_id
    assert "is not guaranteed" in str(jobs.unpromised(engine, job_id)[0])
    with engine.begin() as connection:
        done = "UPDATE job_chunk SET state = 'done', settled_at = now(), {}"
        counts = "enriched = cardinality(record_ids)"
        connection.execute(text(done.format(counts)))
    sentence = (
        "Certificate of audit 1, for the enrichments that test v1 had written by 2026-11-24. "
        "Enrichments of Prado: 9 of all 9 were judged right (100 %)."
    )
    (told,) = jobs.unpromised(engine, job_id)
    assert (
        str(told)
        == f"test v1 has no promise, but a certificate covers a part of its enrichments. {sentence}"
    )
    promise_for(engine, model_id, {"Louvre": 5, "Uffizi": 5})
    (told,) = jobs.unpromised(engine, job_id)
    assert (list(told.data_providers), told.certificates) == (["Prado"], (sentence,))
    promise_for(engine, model_id, {"Louvre": 5, "Prado": 5})
    (told,) = jobs.unpromised(engine, job_id)
    assert (list(told.data_providers), told.certificates) == (["Uffizi"], ())


@pytest.mark.parametrize("providers", [{}, {"Louvre": 1, "Prado": 1, "Uffizi": 1}])
def test_without_a_stranger_there_is_nothing_to_tell(
    engine: Engine, model_id: int, museums: list[str], providers: dict[str, int]
) -> None:
    promise_for(engine, model_id, providers)
    assert jobs.unpromised(engine, jobs.enqueue(engine, museums).job_id) == []
    assert jobs.preview(engine, museums).unpromised == []


def test_of_a_long_list_a_sample_is_counted(
    engine: Engine, model_id: int, museums: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(without_promise, "MOST_RECORDS", 300)
    promise_for(engine, model_id, LEARNED_FROM)
    (told,) = jobs.unpromised(engine, jobs.enqueue(engine, museums).job_id)
    assert (told.counted, told.is_sample) == (300, True)
    assert 50 < told.data_providers["Prado"] < 100  # a half of 150
    assert str(told).endswith("Counted in a sample of 300 records.")
    assert jobs.preview(engine, museums).unpromised == [told]


def test_a_museum_is_known_whatever_its_name_is_like(
    engine: Engine, model_id: int, museums: list[str]
) -> None:
    promise_for(engine, model_id, {"Louvre": 5, "P" * 300: 5, "Uffi zi": 5})
    change = text("UPDATE record SET data_provider = :after WHERE data_provider = :before")
    with engine.begin() as connection:
        connection.execute(change, {"before": "Prado", "after": "P" * 400})
        connection.execute(change, {"before": "Uffizi", "after": "Uffi\nzi "})
    assert jobs.unpromised(engine, jobs.enqueue(engine, museums).job_id) == []


def test_of_many_providers_the_ten_with_most_records_are_named() -> None:
    providers = {f"museum {number}": 100 - number for number in range(13)}
    told = Unpromised(
        models=("a v1", "b v1"), data_providers=providers, counted=2000, is_sample=False
    )
    assert "museum 0 (100), museum 1 (99)" in str(told)
    assert "museum 9 (91) and 3 more, because it was not tested" in str(told)


def test_of_a_job_with_routes_each_model_is_held_to_its_own_records(
    engine: Engine, model_id: int, museums: list[str]
) -> None:
    with engine.begin() as connection:
        encoder = "INSERT INTO encoder (name, sha256, network, dimension)"
        connection.execute(text(f"{encoder} VALUES ('e', repeat('e', 64), 'timm:x', 3)"))
        connection.execute(text("UPDATE model SET encoder_id = (SELECT id FROM encoder)"))
    taught = insert_model(engine, "taught", f"{1:064}", "e" * 64, ())
    with engine.begin() as connection:
        service = text("INSERT INTO service (data_provider, model_id) VALUES ('Prado', :id)")
        connection.execute(service, {"id": taught})
    promise_for(engine, model_id, LEARNED_FROM)
    promise_for(engine, taught, {"Uffizi": 1})
    told = jobs.unpromised(engine, jobs.enqueue(engine, museums).job_id)
    found = {each.models: each.data_providers for each in told}
    assert found == {("test v1",): {"Uffizi": 50}, ("taught v1",): {"Prado": 150}}
    assert jobs.preview(engine, museums).unpromised == told
