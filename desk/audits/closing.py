"""The end of an audit: closed with a result, or abandoned without one.

A drawn row is right only if at least one reviewer judged it and all who judged it call it right.
All others count as wrong: not judged, disputed, too general, cannot tell.
"""

from math import inf

from sqlalchemy import Connection, Engine, Row, text

from common.errors import UsageError
from common.store.tables import AuditState
from desk.audits.bounds import lower_bound
from desk.audits.judging import JUDGED

# A transaction that writes a verdict locks this row too. If it began before, its verdict counts.
_LOCK = text("SELECT state, rows, sample, error FROM audit WHERE id = :audit_id FOR UPDATE")
_JUDGED = text(f"SELECT ({JUDGED}) FROM audit WHERE id = :audit_id")
_RIGHT = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM audit_draw AS drawn JOIN verdict
          ON verdict.audit_id = drawn.audit_id AND verdict.record_id = drawn.record_id
         AND verdict.concept_uri = drawn.concept_uri AND verdict.withdrawn_at IS NULL
        WHERE drawn.audit_id = :audit_id
        GROUP BY drawn.place HAVING bool_and(verdict.said = 'right')
    ) AS right_ones
""")
_CLOSE = text("""
    UPDATE audit SET state = 'closed', ended_at = clock_timestamp(), right_ones = :right_ones,
                     precision = :precision
    WHERE id = :audit_id
""")
_ABANDON = text("UPDATE audit SET state = 'abandoned', ended_at = now() WHERE id = :audit_id")


class MoreUnjudgedError(UsageError):
    """Too many rows have no verdict; the audit stays open."""


def close(engine: Engine, audit_id: int, *, most_unjudged: float = inf) -> None:
    """Count the verdicts of an audit and store what it proves. A closed audit stays as it is.

    Raises:
        MoreUnjudgedError: more rows than `most_unjudged` have no verdict.
        UsageError: there is no such audit, or it was abandoned.
    """
    with engine.begin() as connection:
        audit = _locked(connection, audit_id)
        if audit.state == AuditState.ABANDONED:
            raise UsageError(f"Audit {audit_id} was abandoned, so it proves nothing.")
        if audit.state == AuditState.OPEN:
            asked = {"audit_id": audit_id}
            unjudged = audit.sample - connection.execute(_JUDGED, asked).scalar_one()
            if unjudged > most_unjudged:
                raise MoreUnjudgedError(f"Not closed yet: {unjudged} pictures are not judged.")
            right_ones = connection.execute(_RIGHT, asked).scalar_one()
            least = lower_bound(right_ones, audit.sample, audit.rows, audit.error)
            result = {"right_ones": right_ones, "precision": least / audit.rows}
            connection.execute(_CLOSE, asked | result)


def abandon(engine: Engine, audit_id: int) -> None:
    """Abandon an audit. Its share of the error is used up. An abandoned audit stays as it is.

    Raises:
        UsageError: there is no such audit, or it is closed.
    """
    with engine.begin() as connection:
        audit = _locked(connection, audit_id)
        if audit.state == AuditState.CLOSED:
            raise UsageError(f"Audit {audit_id} is closed. You cannot abandon it now.")
        if audit.state == AuditState.OPEN:
            connection.execute(_ABANDON, {"audit_id": audit_id})


def _locked(connection: Connection, audit_id: int) -> Row[str, int, int, float]:
    audit = connection.execute(_LOCK, {"audit_id": audit_id}).one_or_none()
    if audit is None:
        raise UsageError(f"There is no audit {audit_id}.")
    return audit
