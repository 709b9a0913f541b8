"""Sending a plan: each publication is posted once, also if answers are lost.

A publication whose answer was lost is looked for before it is posted again, once Europeana's index
has had time. Ours is known by its name in `canonical`.
"""

import structlog
from sqlalchemy import Connection, Engine

from common.process.terminal.progress import ProgressReport
from publisher.europeana.annotations import AnnotationClient
from publisher.europeana.outcomes import RejectedError
from publisher.europeana.statement import PostedStatement
from publisher.ledger.publications import (
    Claim,
    Ending,
    Left,
    SendOutcome,
    claim_to_send,
    left_to_send,
    may_send_again,
    newest_posted,
)
from publisher.work.pacing import Pace, PacedWork

log = structlog.get_logger()


class Sender:
    """Posts the publications of a plan.

    Args:
        pages: the address under which the desk shows where statements come from, if it is public.
    """

    def __init__(
        self, engine: Engine, api: AnnotationClient, pace: Pace, *, pages: str | None = None
    ) -> None:
        self._engine = engine
        self._api = api
        self._pace = pace
        self._pages = pages

    def send(self, plan_id: int, report: ProgressReport) -> dict[SendOutcome, int]:
        """Send what is left of a plan; returns how the publications ended.

        Raises:
            KeyRefusedError: Europeana refuses the token or the key.
            ApiError: it answers in an unknown form.
        """

        def claim(connection: Connection) -> Claim | None:
            return claim_to_send(connection, plan_id, seconds=self._pace.patience)

        def left(connection: Connection) -> Left:
            return left_to_send(connection, plan_id)

        work = PacedWork(
            self._engine,
            self._pace,
            report,
            claim=claim,
            left=left,
            carry_out=self._carry_out,
            undone=SendOutcome.PUT_BACK,
            unknown=SendOutcome.LOOK_LATER,
        )
        work.run()
        return dict(work.ended)

    def _carry_out(self, claim: Claim) -> Ending | None:
        if claim.lost_at is not None:
            if ours := self._ours(claim, self._api.find(claim.record_id, claim.concept_uri)):
                return Ending(outcome=SendOutcome.POSTED, annotation=ours)
            if not self._index_has_caught_up():
                return Ending(outcome=SendOutcome.LOOK_LATER, wait=self._pace.patience / 4)
            if not may_send_again(self._engine, claim, seconds=self._pace.patience):
                return None
        try:
            uri = self._api.post(self._statement(claim))
        except RejectedError as error:
            return self._rejected(claim, error)
        return Ending(outcome=SendOutcome.POSTED, annotation=uri)

    def _statement(self, claim: Claim) -> PostedStatement:
        page = f"{self._pages}/statements/{claim.name}" if self._pages else None
        return PostedStatement(
            record_id=claim.record_id, concept_uri=claim.concept_uri, name=claim.name, page=page
        )

    def _rejected(self, claim: Claim, error: RejectedError) -> Ending:
        if ours := self._ours(claim, error.duplicates):
            return Ending(outcome=SendOutcome.POSTED, annotation=ours)
        if error.duplicates:
            return Ending(outcome=SendOutcome.ALREADY_SAID, reason=error.duplicates[0])
        log.warning(
            "Europeana refuses a statement.",
            record=claim.record_id,
            concept=claim.concept_uri,
            reason=str(error),
        )
        return Ending(outcome=SendOutcome.REFUSED, reason=str(error))

    def _ours(self, claim: Claim, found: "list[str] | tuple[str, ...]") -> str | None:
        """The annotation among these that was posted for this publication."""
        statement = self._statement(claim)
        for uri in found:
            standing = self._api.read(uri)
            if standing is not None and statement.is_said_by(standing.content):
                return uri
        return None

    def _index_has_caught_up(self) -> bool:
        """Whether Europeana's index has the newest annotation of which we know that it stands."""
        with self._engine.connect() as connection:
            newest = newest_posted(connection)
        if newest is None or newest.annotation is None:
            return True
        if newest.annotation in self._api.find(newest.record_id, newest.concept_uri):
            return True
        return self._api.read(newest.annotation) is None  # others deleted it: it tells nothing
