"""The time between SIGTERM and the end, and what becomes of chunks that are not finished."""

import threading
import time
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from common.errors import DeviceError, ModelError
from worker import jobs
from worker.ledger import chunks
from worker.ledger.chunks import Lease, LeaseLostError
from worker.process.giving_back import ChunkReturns, Drain, DrainingError
from worker.process.lease_keeper import EXIT_BROKEN, LeaseKeeper

AWAY = OperationalError("SELECT 1", {}, ConnectionError())


@pytest.fixture
def lease(engine: Engine, model_id: int, records: list[str]) -> Lease:
    jobs.enqueue(engine, records)
    lease = chunks.claim(engine, worker="test", lease_seconds=60)
    assert lease is not None
    return lease


def chunk_after(engine: Engine, lease: Lease, error: Exception) -> tuple[str, int, bool]:
    keeper = LeaseKeeper(engine, lease_seconds=60)
    with ChunkReturns(engine, keeper, grace_seconds=60).on_failure(lease):
        raise error
    return chunk(engine, lease.job_id)


def chunk(engine: Engine, job_id: UUID) -> tuple[str, int, bool]:
    """Its state, its attempts, and whether it waits."""
    with engine.connect() as connection:
        asked = text("""
            SELECT state, attempt, greatest(not_before, lease_until) > now() AS waits
            FROM job_chunk WHERE job_id = :job_id AND number = 1
        """)
        return tuple(connection.execute(asked, {"job_id": job_id}).one())


def test_a_chunk_that_was_dropped_can_be_claimed_at_once(engine: Engine, lease: Lease) -> None:
    assert chunk_after(engine, lease, DrainingError()) == ("ready", 0, False)


@pytest.mark.parametrize("error", [AWAY, ModelError("The model is missing.")])
def test_a_chunk_that_is_not_to_blame_comes_back_after_a_while(
    engine: Engine, lease: Lease, error: Exception
) -> None:
    assert chunk_after(engine, lease, error) == ("ready", 0, True)


def test_an_unexpected_error_counts_against_the_chunk(engine: Engine, lease: Lease) -> None:
    state, attempts, waits = chunk_after(engine, lease, ZeroDivisionError())
    assert (state, attempts, waits) == ("leased", 1, True)  # until the sweep counts it


def test_a_chunk_that_another_worker_has_is_left_alone(engine: Engine, lease: Lease) -> None:
    assert chunk_after(engine, lease, LeaseLostError()) == ("leased", 1, True)


def test_a_device_that_fails_ends_the_worker_which_gives_all_its_chunks_back(
    engine: Engine, lease: Lease
) -> None:
    left: list[int] = []
    keeper = LeaseKeeper(engine, lease_seconds=60)
    returns = ChunkReturns(engine, keeper, grace_seconds=60, leave=left.append)
    with returns.on_failure(lease):
        raise DeviceError("The card is broken.")
    assert chunk(engine, lease.job_id) == ("ready", 0, False)
    assert returns.draining.begun.is_set()
    assert left == [EXIT_BROKEN]
    returns.draining.end()


def test_whoever_leaves_gives_back_what_is_held(engine: Engine, lease: Lease) -> None:
    left: list[int] = []
    keeper = LeaseKeeper(engine, lease_seconds=60)
    returns = ChunkReturns(engine, keeper, grace_seconds=60, leave=left.append)
    with keeper.hold(lease):
        returns.leave()
    assert chunk(engine, lease.job_id) == ("ready", 0, False)
    assert left == [0]


def test_chunks_are_dropped_before_the_grace_time_is_over() -> None:
    overdue = threading.Event()
    drain = Drain(0.4, on_overdue=overdue.set)
    drain.begin()
    drain.begin()
    assert drain.begun.is_set()
    assert not drain.dropping.is_set()
    assert drain.dropping.wait(5)
    assert not overdue.is_set()
    assert overdue.wait(5)


def test_a_process_that_ends_in_time_is_not_overdue() -> None:
    overdue = threading.Event()
    drain = Drain(0.2, on_overdue=overdue.set)
    drain.begin()
    drain.end()
    time.sleep(0.3)
    assert not overdue.is_set()
    assert not drain.dropping.is_set()
