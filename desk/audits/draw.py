"""Drawing: an audit freezes its rows, then draws from the frozen rows.

One transaction with one snapshot does both. It locks the table of audits before it takes the
snapshot. So if two draws run at once, the second one sees the first, and is another attempt.

The frozen rows have no order, because sorting a million would take as long as all the rest. The
operating system's random numbers give the positions of the drawn rows. So every set of that size is
equally likely, and so is every order.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from secrets import SystemRandom
from typing import Any

from psycopg2.errors import SerializationFailure
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from common.errors import StoreError, UsageError
from desk.audits.plan import MOST_DRAWN
from desk.audits.subject import AuditSubject, in_sql, next_attempt, thresholds_of

BLOCK = 5_000  # frozen rows in a row of the table audit_block
TRIES = 3  # if other transactions change the rows at the same time
_LOCK = text("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE")  # before the snapshot
_FREEZE = """
    WITH placed AS (
        SELECT enrichment.concept_uri, enrichment.record_id,
               (row_number() OVER () - 1) / :block AS part
        {clause}
    ), block AS MATERIALIZED (
        SELECT row_number() OVER () AS number, concept_uri, array_agg(record_id) AS record_ids
        FROM placed GROUP BY concept_uri, part
    ), frozen AS (
        INSERT INTO audit (model_id, data_provider, concept_uri, thresholds, rows, sample, attempt,
                           error, drawn_by)
        SELECT :model_id, :data_provider, :concept_uri, CAST(:thresholds AS jsonb), counted.rows,
               :sample, :attempt, :error, :user_id
        FROM (SELECT sum(cardinality(record_ids)) AS rows FROM block) AS counted
        WHERE counted.rows >= :sample
        RETURNING id
    )
    INSERT INTO audit_block (audit_id, number, concept_uri, record_ids)
    SELECT frozen.id, number, block.concept_uri, record_ids FROM frozen CROSS JOIN block
    RETURNING audit_id, number, cardinality(record_ids) AS size
"""
_DRAW = text("""
    INSERT INTO audit_draw (audit_id, place, record_id, concept_uri, image_url)
    SELECT :audit_id, drawn.place, enrichment.record_id, enrichment.concept_uri,
           enrichment.image_url
    FROM unnest(CAST(:blocks AS int[]), CAST(:positions AS int[]))
         WITH ORDINALITY AS drawn(block, position, place)
    JOIN audit_block ON audit_block.audit_id = :audit_id AND audit_block.number = drawn.block
    JOIN enrichment ON enrichment.model_id = :model_id
     AND enrichment.record_id = audit_block.record_ids[drawn.position]
     AND enrichment.concept_uri = audit_block.concept_uri
""")

_SAME = text("""
    SELECT id FROM audit
    WHERE model_id = :model_id AND attempt = :attempt AND sample = :sample AND drawn_by = :user_id
      AND data_provider IS NOT DISTINCT FROM CAST(:data_provider AS text)
      AND concept_uri IS NOT DISTINCT FROM CAST(:concept_uri AS text)
""")


def draw(
    engine: Engine,
    subject: AuditSubject,
    *,
    sample: int,
    user_id: int,
    attempt: int | None = None,
) -> int:
    """Begin an audit: freeze its rows and draw a sample. Returns the number of the audit.

    Args:
        attempt: the attempt that was planned. If the same account has already drawn it with the
            same sample size, that audit is returned. So a form that is sent twice draws once.

    Raises:
        UsageError: the sample is empty, too large or larger than the rows; the model does not
            exist or is retired; or there were too many audits, or a new one since the plan.
        StoreError: other transactions changed the rows each time, so no row was drawn.
    """
    if not 1 <= sample <= MOST_DRAWN:
        raise UsageError(f"A sample must have 1 to {MOST_DRAWN:,} rows, not {sample:,}.")
    for _ in range(TRIES):
        try:
            return _draw(engine, subject, sample=sample, user_id=user_id, planned=attempt)
        except OperationalError as error:
            if not isinstance(error.orig, SerializationFailure):
                raise
            problem = error
    raise StoreError(
        "The audit was not drawn, because another process changed the same rows. Try again."
    ) from problem


def _draw(
    engine: Engine, subject: AuditSubject, *, sample: int, user_id: int, planned: int | None
) -> int:
    one_moment = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with one_moment as connection, connection.begin():
        connection.execute(_LOCK)
        if planned is not None and next_attempt(connection, subject).number != planned:
            asked = subject.values | {"attempt": planned, "sample": sample, "user_id": user_id}
            return _drawn_before(connection, asked)
        blocks = _freeze(connection, subject, sample=sample, user_id=user_id)
        rows = sum(block.size for block in blocks)
        places = places_in(blocks, SystemRandom().sample(range(rows), sample))
        asked = {
            "audit_id": blocks[0].audit_id,
            "model_id": subject.model_id,
            "blocks": [block for block, _ in places],
            "positions": [position for _, position in places],
        }
        drawn = connection.execute(_DRAW, asked).rowcount
        assert drawn == sample, "all frozen rows are in this snapshot"
        return blocks[0].audit_id


def _drawn_before(connection: Connection, asked: dict[str, Any]) -> int:
    found: int | None = connection.execute(_SAME, asked).scalar_one_or_none()
    if found is None:
        raise UsageError(
            "After you planned this audit, another audit of the same enrichments was drawn. "
            "Your audit would now prove less, so the desk did not draw it. Look at the plan "
            "again."
        )
    return found


@dataclass(frozen=True, kw_only=True)
class FrozenBlock:
    audit_id: int
    number: int
    size: int


def _freeze(
    connection: Connection, subject: AuditSubject, *, sample: int, user_id: int
) -> list[FrozenBlock]:
    thresholds = thresholds_of(connection, subject.model_id)
    attempt = next_attempt(connection, subject)
    chosen = in_sql(connection, subject)
    asked = {
        "block": BLOCK,
        "thresholds": json.dumps(thresholds),
        "sample": sample,
        "attempt": attempt.number,
        "error": attempt.error,
        "user_id": user_id,
    }
    statement = text(_FREEZE.format(clause=chosen.clause))
    rows = connection.execute(statement, chosen.parameters | asked)
    blocks = [FrozenBlock(**row) for row in rows.mappings()]
    if not blocks:
        count = text(f"SELECT count(*) {chosen.clause}")
        found = connection.execute(count, chosen.parameters).scalar_one()
        raise UsageError(
            f"A sample of {sample:,} is too large: the audit has only {found:,} enrichments."
        )
    return sorted(blocks, key=lambda block: block.number)


def places_in(blocks: Sequence[FrozenBlock], rows: Sequence[int]) -> list[tuple[int, int]]:
    """For each row, the number of its block and its position there, from 1. Rows are counted from 0
    through all blocks."""
    ends = list(accumulate(block.size for block in blocks))
    found = []
    for row in rows:
        at = bisect_right(ends, row)
        before = ends[at - 1] if at else 0
        found.append((blocks[at].number, row - before + 1))
    return found
