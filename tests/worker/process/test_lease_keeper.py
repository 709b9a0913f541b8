"""Leases are kept while there is progress, and only then."""

from uuid import UUID

from sqlalchemy import Engine, text

from worker import jobs
from worker.ledger import chunks
from worker.process.lease_keeper import LeaseKeeper


def claimed(engine: Engine, records: list[str]) -> chunks.Lease:
    jobs.enqueue(engine, records)
    lease = chunks.claim(engine, worker="test", lease_seconds=0.6)
    assert lease is not None
    return lease


def lease_left(engine: Engine, job_id: UUID) -> float:
    with engine.connect() as connection:
        left = text(
            "SELECT extract(epoch FROM lease_until - now()) FROM job_chunk"
            " WHERE job_id = :job_id AND number = 1"
        )
        return float(connection.execute(left, {"job_id": job_id}).scalar_one())


def test_a_held_lease_does_not_run_out(engine: Engine, model_id: int, records: list[str]) -> None:
    lease = claimed(engine, records)
    keeper = LeaseKeeper(engine, lease_seconds=60.0)
    with keeper.hold(lease) as held:
        keeper.run_once()
    assert lease_left(engine, lease.job_id) > 30
    assert not held.lost


def test_a_lost_lease_is_noticed(engine: Engine, model_id: int, records: list[str]) -> None:
    lease = claimed(engine, records)
    keeper = LeaseKeeper(engine, lease_seconds=0.6)
    chunks.give_back(engine, lease, blameless=True)
    with keeper.hold(lease) as held:
        keeper.run_once()
    assert held.lost


def test_a_chunk_that_hangs_is_left_alone(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    lease = claimed(engine, records)
    hung: list[str] = []
    keeper = LeaseKeeper(
        engine, lease_seconds=60.0, hung_after=0.0, on_hung=lambda: hung.append("hung")
    )
    with keeper.hold(lease) as held:
        keeper.run_once()  # no work has begun: nothing can hang
        held.progress()
        held.pause()  # an encoder is loaded, which takes its time
        keeper.run_once()
        held.progress()
        keeper.run_once()
    assert hung == ["hung"]


def test_a_keeper_is_well_while_it_runs_and_no_chunk_hangs(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    lease = claimed(engine, records)
    keeper = LeaseKeeper(engine, lease_seconds=3600.0, hung_after=0.0, on_hung=lambda: None)
    assert not keeper.is_well
    keeper.start()
    assert keeper.is_well
    with keeper.hold(lease) as held:
        held.progress()
        assert not keeper.is_well
    keeper.stop()
