"""Renewal: one job, however often it is asked for."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from desk.steering.renewal import Renewals, renew
from tests.desk.museum import DIMENSION, Museum

OWN, OTHER = [f"/1/r{number}" for number in range(5)], ["/1/o1", "/1/o2"]


@pytest.fixture
def job(museum: Museum) -> UUID:
    """A job over records of two data providers, one of them under an ID that it had before."""
    museum.records("A museum", *OWN)
    museum.records("Another", *OTHER)
    museum.execute("INSERT INTO record_alias VALUES ('/1/before', '/1/r4')")
    first = museum.model()
    museum.model(version=2)
    return museum.job(first, [*OWN[:3], OTHER[0]], [OWN[3], OTHER[1], "/1/before"])


def asked(museum: Museum, job: UUID | None, provider: str = "A museum") -> int:
    """A refit that ended well."""
    rows = museum.rows("SELECT id FROM model ORDER BY version")
    museum.execute(
        "INSERT INTO refit (model_id, data_provider, job_id, taught_id, result, ended_at)"
        " VALUES (:model, :provider, :job, :taught, '{}', now())",
        model=rows[0][0],
        taught=rows[1][0],
        provider=provider,
        job=job,
    )
    ((number,),) = museum.rows("SELECT max(id) FROM refit")
    assert isinstance(number, int)
    return number


def test_the_records_of_the_provider_are_enqueued_with_the_new_model(
    museum: Museum, job: UUID
) -> None:
    number = asked(museum, job)
    renewal = renew(museum.engine, number)
    found = museum.rows(
        "SELECT model.version, job.priority, job.picture, job.total, job.idempotency_key"
        " FROM job JOIN model ON model.id = job.model_id WHERE job.id = :job",
        job=renewal,
    )
    assert found == [(2, "urgent", "auto", 5, f"refit {number}")]
    records = museum.rows("SELECT record_ids FROM job_chunk WHERE job_id = :job", job=renewal)
    assert sorted(records[0][0]) == OWN  # type: ignore[call-overload]
    assert museum.rows("SELECT renewal_id FROM refit") == [(renewal,)]


def test_it_is_one_job_whoever_asks(museum: Museum, job: UUID) -> None:
    number = asked(museum, job)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: renew(museum.engine, number), range(8)))
    assert len(set(found)) == 1
    assert museum.rows("SELECT count(*) FROM job WHERE submitter = 'desk'") == [(1,)]


def test_what_did_not_end_well_or_names_no_job_renews_nothing(museum: Museum, job: UUID) -> None:
    assert renew(museum.engine, asked(museum, None)) is None
    assert renew(museum.engine, asked(museum, job, "Nobody")) is None
    number = asked(museum, job)
    museum.execute("UPDATE refit SET result = NULL, problem = 'too few' WHERE id = :id", id=number)
    assert renew(museum.engine, number) is None
    assert renew(museum.engine, 99) is None


def test_renewals_begin_though_nobody_looks(museum: Museum, job: UUID) -> None:
    first, nothing = asked(museum, job), asked(museum, job, "A museum that the job has not")
    museum.execute(
        "INSERT INTO service (data_provider, model_id) SELECT data_provider, taught_id FROM refit"
    )
    Renewals(museum.engine).run_once()
    Renewals(museum.engine).run_once()
    assert museum.rows("SELECT id FROM refit WHERE renewal_id IS NOT NULL") == [(first,)]
    assert len(museum.rows("SELECT 1 FROM job WHERE idempotency_key IS NOT NULL")) == 1
    assert nothing > first


def test_of_a_pruned_job_all_that_was_seen_of_the_provider_is_renewed(
    museum: Museum, job: UUID
) -> None:
    museum.embed(
        museum.encoder(model=1), {each: [1.0] * DIMENSION for each in (*OWN[:2], OTHER[0])}
    )
    museum.execute("DELETE FROM job_chunk")
    museum.execute("UPDATE job SET pruned_at = now()")
    renewal = renew(museum.engine, asked(museum, job))
    records = museum.rows("SELECT record_ids FROM job_chunk WHERE job_id = :job", job=renewal)
    assert sorted(records[0][0]) == OWN[:2]  # type: ignore[call-overload]
