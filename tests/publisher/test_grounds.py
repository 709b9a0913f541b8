"""At rest, exactly what has grounds stands at Europeana, whatever happened in whatever order.

The grounds are stated here a second time, in Python and by the order of events.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection, text

from common.errors import UsageError
from common.process.terminal.progress import progress
from common.publishing.plans import make_plan
from common.publishing.withdrawals import WithdrawalScope, withdraw
from common.store import decisions
from publisher.commands.opening import Publishing, publishing
from publisher.commands.sending import send_plan
from publisher.work.syncing import ACCOUNT, sync
from tests.common.store.verdict_rows import uri
from tests.publisher.conftest import Publisher
from tests.publisher.statement_rows import JOB, add_model, certify, enrich, record_ids, say

MUSEUMS = {"East Museum": record_ids(2), "West Museum": record_ids(2, first=2)}
RECORDS = {each: museum for museum, records in MUSEUMS.items() for each in records}
CONCEPTS, MODELS, REVIEWERS = ("map", "toy"), (1, 2), (1, 2)
PRECISION = 0.95
FORGOTTEN = (
    "publication, publication_plan, withdrawal, verdict, decision, audit_block, audit,"
    " publisher_sync"
)
Statement = tuple[str, str]


@dataclass
class Certificate:
    number: int
    model: int
    concept: str
    records: list[str]
    precision: float
    at: int
    withdrawn: bool = False


@dataclass
class World:
    """What happened, by the order of events."""

    verdicts: dict[tuple[str, str, object], tuple[str, int]] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)
    consents: set[str] = field(default_factory=set)
    blocks: set[tuple[str | None, str]] = field(default_factory=set)
    ends: list[tuple[str, object, bool, int]] = field(default_factory=list)
    planned: dict[Statement, tuple[list[int], int | None]] = field(default_factory=dict)

    def expected(self) -> set[Statement]:
        return {
            (record, concept)
            for record in RECORDS
            for concept in CONCEPTS
            if self._may_stand(record, concept)
        }

    def _may_stand(self, record: str, concept: str) -> bool:
        museum = RECORDS[record]
        if museum not in self.consents or {(None, concept), (museum, concept)} & self.blocks:
            return False
        given = [
            said
            for (about, of, _), said in self.verdicts.items()
            if (about, of) == (record, concept)
        ]
        said = [each for each, _ in given]
        if "wrong" in said or "too_general" in said:
            return False
        confirmed = max((at for each, at in given if each == "right"), default=-1)
        if confirmed >= 0 and not self._is_ended(record, concept, confirmed):
            return True
        return any(
            record in each.records and each.concept == concept and self._counts(each, record)
            for each in self.certificates
        )

    def _counts(self, certificate: Certificate, record: str) -> bool:
        return (
            not certificate.withdrawn
            and certificate.precision >= PRECISION
            and not self._is_ended(record, certificate.concept, certificate.at, certificate)
        )

    def _is_ended(
        self, record: str, concept: str, since: int, certificate: Certificate | None = None
    ) -> bool:
        own = {("concept_uri", uri(concept)), ("data_provider", RECORDS[record])}
        if certificate is not None:
            own |= {("job_id", JOB), ("model_id", certificate.model)}
            own |= {("audit_id", certificate.number)}
        return any((kind, which) in own and at >= since for kind, which, _, at in self.ends)


class Publishings(RuleBasedStateMachine):
    """Everything that gives or ends grounds, and what publishes."""

    def __init__(self, publisher: Publisher, opened: Publishing) -> None:
        super().__init__()
        self.publisher, self.opened, self.world, self.now = publisher, opened, World(), 0
        self.plans: list[int] = []
        annotations = publisher.sandbox.annotations
        for each in annotations.standing():
            annotations.delete(each.number)
        self._write(lambda connection: connection.execute(text(f"TRUNCATE {FORGOTTEN} CASCADE")))

    def _write(self, change: Callable[[Connection], object]) -> None:
        self.now += 1
        with self.publisher.engine.begin() as connection:
            change(connection)

    @rule(
        record=st.sampled_from([*RECORDS]),
        concept=st.sampled_from(CONCEPTS),
        said=st.sampled_from(["right", "right", "wrong", "too_general", "cannot_tell"]),
        by=st.sampled_from(REVIEWERS),
    )
    def judge(self, record: str, concept: str, said: str, by: int) -> None:
        self._write(partial(say, record_id=record, concept=concept, said=said, by=by))
        self.world.verdicts[record, concept, by] = (said, self.now)

    @rule(
        museum=st.sampled_from([*MUSEUMS]),
        concept=st.sampled_from(CONCEPTS),
        model=st.sampled_from(MODELS),
        precision=st.sampled_from([0.9, 0.97]),
    )
    def close_audit(self, museum: str, concept: str, model: int, precision: float) -> None:
        self.now += 1
        records = MUSEUMS[museum]
        with self.publisher.engine.begin() as connection:
            number = certify(connection, records, concept, model=model, precision=precision)
        self.world.certificates.append(
            Certificate(number, model, concept, records, precision, self.now)
        )

    @rule(model=st.sampled_from(MODELS))
    def retire(self, model: int) -> None:
        self._write(
            lambda connection: connection.execute(
                text(
                    "UPDATE audit SET withdrawn_at = now(), withdrawn_because = 'retired'"
                    " WHERE model_id = :model AND withdrawn_at IS NULL"
                ),
                {"model": model},
            )
        )
        for each in self.world.certificates:
            each.withdrawn |= each.model == model

    @rule(museum=st.sampled_from([*MUSEUMS]))
    def consent(self, museum: str) -> None:
        decisions.consent(self.publisher.engine, museum, reason="agreed", user_id=1)
        self.world.consents.add(museum)

    @rule(museum=st.sampled_from([*MUSEUMS]))
    def refuse(self, museum: str) -> None:
        decisions.refuse(self.publisher.engine, museum, reason="no", user_id=1)
        self.world.consents.discard(museum)

    @rule(museum=st.sampled_from([None, *MUSEUMS]), concept=st.sampled_from(CONCEPTS))
    def block(self, museum: str | None, concept: str) -> None:
        decisions.block(
            self.publisher.engine, uri(concept), data_provider=museum, reason="no", user_id=1
        )
        self.world.blocks.add((museum, concept))

    @precondition(lambda self: self.world.blocks)
    @rule()
    def unblock(self) -> None:
        self._write(
            lambda connection: connection.execute(
                text(
                    "UPDATE decision SET undone_at = now(), undone_by = 1"
                    " WHERE decided = 'blocked' AND undone_at IS NULL"
                )
            )
        )
        self.world.blocks.clear()

    @rule()
    def plan(self) -> None:
        with suppress(UsageError):  # there is nothing to publish
            self.plans.append(make_plan(self.publisher.engine, precision=PRECISION))

    @precondition(lambda self: self.plans)
    @rule(which=st.integers(0, 2))
    def send(self, which: int) -> None:
        number = self.plans[-1 - which % len(self.plans)]
        with suppress(UsageError):  # a later plan took all of its statements
            send_plan(self.opened, number)

    @rule(
        scope=st.one_of(
            st.builds(WithdrawalScope, model_id=st.sampled_from(MODELS)),
            st.builds(
                WithdrawalScope, concept_uri=st.sampled_from([uri(each) for each in CONCEPTS])
            ),
            st.builds(WithdrawalScope, data_provider=st.sampled_from([*MUSEUMS])),
            st.builds(WithdrawalScope, job_id=st.just(JOB)),
        )
    )
    def withdraw(self, scope: WithdrawalScope) -> None:
        self.now += 1
        withdraw(self.publisher.engine, scope, reason="test")
        kind, which = next((name, value) for name, value in scope.values.items() if value)
        self.world.ends.append((kind, which, False, self.now))
        self._rest()

    @rule(which=st.integers(0, 7))
    def have_others_delete(self, which: int) -> None:
        standing = self.publisher.sandbox.annotations.standing()
        if standing:
            gone = standing[which % len(standing)]
            self.publisher.sandbox.annotations.delete(gone.number)
            self._rest()
            self.now += 1
            concept = next(each for each in CONCEPTS if uri(each) == gone.body)
            self.world.verdicts[str(gone.record), concept, ACCOUNT] = ("wrong", self.now)

    @rule()
    def rest(self) -> None:
        self._rest()
        standing = self._standing()
        assert standing <= self.world.expected()
        assert len(standing) == len(self.publisher.standing)
        assert self.publisher.standing == self.publisher.posted

    def _standing(self) -> set[Statement]:
        return {
            (str(record), str(concept).rsplit("/", 1)[-1])
            for record, concept in self.publisher.standing
        }

    def _rest(self) -> None:
        sync(self.opened.engine, self.opened.annotations)
        with progress("withdrawn") as report:
            self.opened.withdrawer.withdraw(report)

    def teardown(self) -> None:
        """In the end all that has grounds is published, and nothing else."""
        self.rest()
        self.plan()
        if self.plans:
            self.send(0)
        self.rest()
        assert self._standing() == self.world.expected()


@pytest.fixture
def opened(publisher: Publisher) -> Iterator[Publishing]:
    """The publisher, on a store where two models have found both concepts in all records."""
    with publisher.engine.begin() as connection:
        for model in MODELS:
            add_model(connection, model)
            for museum, records in MUSEUMS.items():
                for concept in CONCEPTS:
                    enrich(connection, records, concept, model=model, provider=museum)
    with publishing() as made:
        yield made


def test_exactly_what_has_grounds_stands(publisher: Publisher, opened: Publishing) -> None:
    run_state_machine_as_test(
        lambda: Publishings(publisher, opened),
        settings=settings(
            max_examples=int(os.environ.get("GROUNDS_EXAMPLES", "25")),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
