"""The ledger against a model of it, under any interleaving of what can happen to a job.

Several workers claim, renew, finish and give back, with leases that still hold and with such as
they lost long ago; leases run out; an operator pauses, resumes, cancels and retries. Whoever asks
gets the first chunk that may be had, and nothing only if there is none. Whatever the order: every
record is in one chunk and comes to one outcome, the counts agree with the rows, and attempts are
bounded.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, Row, text

from common.errors import RecordError, TransientRecordError, UsageError
from common.reasons import Reason
from common.store.decisions import refuse
from tests.worker.conftest import CONCEPTS
from tests.worker.ledger_rows import predicted
from worker import jobs
from worker.ledger import chunks, cutting, sweep
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease, LeaseLostError
from worker.ledger.finish import ChunkResults
from worker.ledger.predictions import PredictedRecord, RecordPrediction

RECORDS_IN_A_CHUNK = 3
MAX_ATTEMPTS = 2  # of a chunk, so that some are split, and some records buried, in a short story
RECORDS = [f"/1/r{number}" for number in range(1, 10)]
STEPS = 40
DELAYS = (60.0,)
BLAMES = MAX_ATTEMPTS * 2  # of one record: in its chunk, and alone
PICK = st.integers(0, 1_000_000)
FATES = st.lists(
    st.sampled_from(
        ["below", "unlike", "enriched", "blocked", "not_found", "timeout", "host_unavailable"]
    ),
    min_size=1,
    max_size=7,
)
REFUSING = "a provider that refuses"
PASSING = {"timeout", "host_unavailable"}
CLASSIFIED = ("below", "unlike", "enriched", "blocked")
UNWRITTEN = ("unlike", "blocked")  # only the counts tell them from those below

_OUTCOMES = text("""
    SELECT id, chunk.number, chunk.state, chunk.attempt,
           CASE WHEN chunk.settled_at IS NULL THEN NULL
                ELSE coalesce(failure.reason, CASE WHEN enrichment.job_id IS NULL
                                              THEN 'below' ELSE 'enriched' END) END AS outcome
    FROM job_chunk AS chunk CROSS JOIN LATERAL unnest(record_ids) AS each(id)
    LEFT JOIN job_failure AS failure ON failure.job_id = chunk.job_id AND failure.record_id = id
    LEFT JOIN enrichment ON enrichment.job_id = chunk.job_id AND enrichment.record_id = id
""")
_CLAIMABLE = text("""
    SELECT number FROM job_chunk
    WHERE state = 'ready' AND not_before <= now()
      AND (retries > 0 OR waiting_since IS NOT NULL) = :put_off
    ORDER BY not_before, number
""")
_PUT_OFF = text("""
    SELECT coalesce(sum(cardinality(record_ids)), 0) FROM job_chunk
    WHERE settled_at IS NULL AND (retries > 0 OR waiting_since IS NOT NULL)
""")
_TIME_PASSES = text("UPDATE job_chunk SET not_before = now() WHERE not_before > now()")
_EXPIRE = text("""
    UPDATE job_chunk SET lease_until = now() - interval '1 s'
    WHERE number = ANY(CAST(:numbers AS int[])) AND state = 'leased'
""")


class Ledger(RuleBasedStateMachine):
    """One job; `live` are the leases that hold, `leases` all there ever were."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.leases: list[Lease] = []
        self.live: dict[int, Lease] = {}
        self.outcomes: dict[str, str] = {}
        self.blames: Counter[str] = Counter()
        self.state = "running"
        self.steps = 0
        self.cancel_from: int  # steps until the operator may cancel
        self.job_id: UUID

    @initialize(size=st.integers(1, len(RECORDS)), cancel_from=st.sampled_from([STEPS, 10, 20, 30]))
    def enqueue(self, size: int, cancel_from: int) -> None:
        self.records = RECORDS[:size]
        self.cancel_from = cancel_from
        self.job_id = jobs.enqueue(self.engine, self.records).job_id

    # Workers: each may ask at any time, or again; that none asks is a story too.

    @rule(put_off=st.booleans(), due=st.booleans())
    def ask(self, put_off: bool, due: bool) -> None:
        if due:
            self.time_passes()
        claimable = self.claimable(put_off=put_off)
        lease = chunks.claim(self.engine, worker="w", lease_seconds=600, put_off=put_off)
        assert (lease.number if lease else None) == (claimable[0] if claimable else None)
        if lease:
            assert lease.is_put_off == put_off
            self.begin(lease)

    def claimable(self, *, put_off: bool) -> list[int]:
        """The numbers of the chunks that a claim may get, the best one first."""
        if self.state != "running":
            return []
        with self.engine.connect() as connection:
            return list(connection.execute(_CLAIMABLE, {"put_off": put_off}).scalars())

    def begin(self, lease: Lease) -> None:
        assert self.state == "running"
        assert lease.number not in self.live
        self.live[lease.number] = lease
        self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(pick=PICK, fates=FATES)
    def finish(self, pick: int, fates: list[str]) -> None:
        lease = self.leases[pick % len(self.leases)]
        fate_of = {
            record_id: fates[place % len(fates)] for place, record_id in enumerate(lease.record_ids)
        }
        if not self.holds(lease):
            with pytest.raises(LeaseLostError):
                self.write(lease, fate_of)
            return
        done = self.write(lease, fate_of)
        del self.live[lease.number]
        self.outcomes |= self.final(lease, fate_of)
        if done:
            assert self.outcomes.keys() == set(self.records)
            self.state = "done"

    def write(self, lease: Lease, fate_of: dict[str, str]) -> bool:
        outcome = ChunkResults()
        for record_id, fate in fate_of.items():
            if fate in PASSING:
                outcome.errors[record_id] = TransientRecordError("fetch", fate)
            elif fate == "not_found":
                outcome.errors[record_id] = RecordError("fetch", fate)
            else:
                outcome.predicted[record_id] = answer_of(lease, record_id, fate)
        return finishing.finish(self.engine, lease, outcome, retry_delays=DELAYS).job_done

    def final(self, lease: Lease, fate_of: dict[str, str]) -> dict[str, str]:
        again = {"host_unavailable"} | ({"timeout"} if lease.retries < len(DELAYS) else set())
        return {record_id: fate for record_id, fate in fate_of.items() if fate not in again}

    @precondition(lambda self: self.leases)
    @rule(pick=PICK)
    def renew(self, pick: int) -> None:
        lease = self.leases[pick % len(self.leases)]
        assert chunks.renew(self.engine, lease, lease_seconds=600) == self.holds(lease)

    @precondition(lambda self: self.leases)
    @rule(pick=PICK)
    def give_back(self, pick: int) -> None:
        lease = self.leases[pick % len(self.leases)]
        chunks.give_back(self.engine, lease, blameless=True)
        if self.live.get(lease.number) is lease:
            del self.live[lease.number]

    def holds(self, lease: Lease) -> bool:
        return self.live.get(lease.number) is lease and self.state != "cancelled"

    # Time.

    @precondition(lambda self: self.live)
    @rule(pick=PICK, count=st.integers(1, 3))
    def workers_fall_silent(self, pick: int, count: int) -> None:
        lost = sorted(self.live.values(), key=lambda lease: (lease.number * pick) % 101)[:count]
        with self.engine.begin() as connection:
            connection.execute(_EXPIRE, {"numbers": [lease.number for lease in lost]})
        self.sweep(lost)

    @precondition(lambda self: self.live)
    @rule(pick=PICK)
    def stumble(self, pick: int) -> None:
        lease = list(self.live.values())[pick % len(self.live)]
        chunks.give_back(self.engine, lease, blameless=False)
        self.sweep([lease])

    def sweep(self, lost: list[Lease]) -> None:
        swept = sweep.sweep(self.engine)
        assert swept.total() == len(lost)
        for lease in lost:
            del self.live[lease.number]
            self.blames.update(lease.record_ids)
        dead = {row.id for row in self.rows() if row.state == "dead"} - self.outcomes.keys()
        assert len(dead) == swept["dead"]
        self.outcomes |= dict.fromkeys(dead, Reason.KILLED_WORKER.code)
        self.state = jobs.status(self.engine, self.job_id).state

    def time_passes(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(_TIME_PASSES)

    # The operator.

    @precondition(lambda self: self.state == "running" and self.live)
    @rule()
    def pause(self) -> None:
        jobs.pause(self.engine, self.job_id)
        self.state = "paused"

    @precondition(lambda self: self.state == "paused")
    @rule()
    def resume(self) -> None:
        jobs.resume(self.engine, self.job_id)
        over = self.outcomes.keys() == set(self.records)
        self.state = "done" if over else "running"

    @precondition(
        lambda self: self.state in ("running", "paused") and self.steps > self.cancel_from
    )
    @rule()
    def cancel(self) -> None:
        jobs.cancel(self.engine, self.job_id)
        self.state = "cancelled"

    @precondition(lambda self: self.failed())
    @rule(reason=st.sampled_from([None, "not_found", "timeout", Reason.KILLED_WORKER.code]))
    def retry(self, reason: str | None) -> None:
        failed = self.failed(reason)
        reasons = [reason] if reason else []
        if not failed or self.state == "cancelled":
            with pytest.raises(UsageError):
                jobs.retry(self.engine, self.job_id, reasons)
            return
        assert jobs.retry(self.engine, self.job_id, reasons) == len(failed)
        for record_id in failed:
            del self.outcomes[record_id], self.blames[record_id]
        self.state = "running" if self.state == "done" else self.state

    def failed(self, reason: str | None = None) -> set[str]:
        return {
            record_id
            for record_id, outcome in self.outcomes.items()
            if outcome not in CLASSIFIED and reason in (None, outcome)
        }

    # What holds after each step, and in the end.

    @invariant()
    def every_record_is_once_in_the_ledger_with_its_outcome(self) -> None:
        self.steps += 1
        rows = self.rows()
        assert sorted(row.id for row in rows) == sorted(self.records)
        assert {row.id: row.outcome for row in rows if row.outcome} == {
            record_id: "below" if outcome in UNWRITTEN else outcome
            for record_id, outcome in self.outcomes.items()
        }
        assert {row.number for row in rows if row.state == "leased"} == self.live.keys()
        assert max(row.attempt for row in rows) <= MAX_ATTEMPTS
        assert max(self.blames.values(), default=0) <= BLAMES

    @invariant()
    def the_counts_agree_with_the_rows(self) -> None:
        status = jobs.status(self.engine, self.job_id)
        found = Counter(self.outcomes.values())
        assert (status.state, status.total) == (self.state, len(self.records))
        classified = (status.below_threshold, status.unlike, status.enriched, status.blocked)
        assert classified == tuple(found[outcome] for outcome in CLASSIFIED)
        assert status.failures == {
            reason: count for reason, count in found.items() if reason not in CLASSIFIED
        }
        assert status.failed == sum(status.failures.values())
        with self.engine.connect() as connection:
            assert status.put_off == connection.execute(_PUT_OFF).scalar_one()

    def rows(self) -> list[Row[Any]]:
        with self.engine.connect() as connection:
            return list(connection.execute(_OUTCOMES))

    def teardown(self) -> None:
        if self.state == "paused":
            self.resume()
        for _ in range(len(self.records)):
            if self.state != "running":
                break
            self.time_passes()
            for put_off in (False, True):
                while self.claimable(put_off=put_off):
                    self.ask(put_off, due=False)
            assert self.live
            for lease in list(self.live.values()):
                self.leases = [lease]
                self.finish(0, ["below"])
        assert self.state in ("done", "cancelled")
        self.the_counts_agree_with_the_rows()
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM enrichment"))
            connection.execute(text("DELETE FROM job"))


def prediction(record_id: str) -> RecordPrediction:
    return RecordPrediction(
        record_id=record_id,
        concept_uri=next(iter(CONCEPTS)),
        confidence=0.5,
        source="media",
        image_url="http://museum.example/1",
        seen_at=datetime(2026, 11, 25, tzinfo=UTC),
    )


def answer_of(lease: Lease, record_id: str, fate: str) -> PredictedRecord:
    found = [prediction(record_id)] if fate in ("enriched", "blocked") else []
    provider = REFUSING if fate == "blocked" else "museum"
    is_unlike = fate == "unlike"
    return predicted(lease, record_id, *found, data_provider=provider, is_unlike=is_unlike)


def test_the_ledger_holds_its_promises_under_any_interleaving(
    engine: Engine, model_id: int, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "CHUNK_SIZE", RECORDS_IN_A_CHUNK)
    monkeypatch.setattr(sweep, "MAX_ATTEMPTS", MAX_ATTEMPTS)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO desk_user (name, role) VALUES ('a', 'operator')"))
    refuse(engine, REFUSING, reason="by letter", user_id=1)
    assert set(RECORDS) <= set(records)
    run_state_machine_as_test(
        lambda: Ledger(engine),
        settings=settings(
            max_examples=20,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
