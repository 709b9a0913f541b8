"""Withdrawing: deletes at Europeana the annotations whose statements have no grounds any longer."""

from sqlalchemy import Connection, Engine

from common.errors import ApiError
from common.process.terminal.progress import ProgressReport
from publisher.europeana.annotations import AnnotationClient
from publisher.europeana.outcomes import RejectedError
from publisher.europeana.statement import PostedStatement
from publisher.ledger.publications import (
    Claim,
    Ending,
    SendOutcome,
    claim_to_withdraw,
    left_to_withdraw,
)
from publisher.work.pacing import Pace, PacedWork


class Withdrawer:
    """Deletes what is queued to be withdrawn, and only what was posted by this ledger."""

    def __init__(self, engine: Engine, api: AnnotationClient, pace: Pace) -> None:
        self._engine = engine
        self._api = api
        self._pace = pace

    def withdraw(self, report: ProgressReport) -> int:
        """Delete all that is queued; returns how many statements were withdrawn.

        Raises:
            KeyRefusedError: Europeana refuses the token or the key.
            ApiError: it refuses to delete one, or answers in an unknown form.
        """

        def claim(connection: Connection) -> Claim | None:
            return claim_to_withdraw(connection, seconds=self._pace.patience)

        work = PacedWork(
            self._engine,
            self._pace,
            report,
            claim=claim,
            left=left_to_withdraw,
            carry_out=self._carry_out,
            undone=SendOutcome.KEPT,
            unknown=SendOutcome.KEPT,
        )
        work.run()
        return work.ended[SendOutcome.WITHDRAWN]

    def _carry_out(self, claim: Claim) -> Ending:
        uri = claim.annotation or ""
        standing = self._api.read(uri)
        statement = PostedStatement(
            record_id=claim.record_id, concept_uri=claim.concept_uri, name=claim.name
        )
        # An annotation with other content is no longer the one that was posted.
        if standing is None or not statement.is_said_by(standing.content):
            return Ending(outcome=SendOutcome.WITHDRAWN)
        try:
            was_deleted = self._api.delete(uri, standing.etag)
        except RejectedError as error:
            raise ApiError(f"Europeana does not delete {uri}: {error}.") from error
        return Ending(outcome=SendOutcome.WITHDRAWN if was_deleted else SendOutcome.KEPT)
