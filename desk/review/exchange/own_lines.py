"""Verdicts in a form of our own: JSON, a verdict a line. What is written can be read again.

Verdicts of audits are not written: they are about a random draw, and would teach what it measures.
"""

from collections.abc import Iterator
from typing import BinaryIO
from uuid import UUID

import msgspec
from sqlalchemy import Engine, text

from common.store.session import allow_pauses
from common.store.tables import VerdictKind
from desk.review.exchange.foreign_verdict import ForeignVerdict, ItemFinding

_ROWS_AT_ONCE = 2_000
_WRITTEN = text("""
    SELECT verdict.id, verdict.record_id, verdict.concept_uri AS concept, verdict.said,
           verdict.instead_uri AS instead, model.name || ' v' || model.version AS model,
           coalesce(desk_user.name, 'account ' || desk_user.id) AS reviewer, verdict.judged_at
    FROM verdict JOIN desk_user ON desk_user.id = verdict.user_id
    LEFT JOIN model ON model.id = verdict.model_id
    WHERE verdict.withdrawn_at IS NULL AND verdict.audit_id IS NULL
    ORDER BY verdict.judged_at, verdict.id
""")


class VerdictLine(msgspec.Struct, kw_only=True):
    """A line. `model` is the title of the model that suggested the concept, if one did."""

    id: UUID
    record_id: str
    concept: str
    said: VerdictKind
    instead: str | None = None
    model: str | None = None
    reviewer: str
    judged_at: str = ""


def write_verdicts(engine: Engine, stream: BinaryIO) -> int:
    """Write all standing verdicts that belong to no audit; returns their number."""
    count = 0
    with engine.connect().execution_options(stream_results=True) as connection:
        allow_pauses(connection)
        found = connection.execute(_WRITTEN).yield_per(_ROWS_AT_ONCE)
        for row in found.mappings():
            line = dict(row) | {"judged_at": row["judged_at"].isoformat()}
            stream.write(msgspec.json.encode(line) + b"\n")
            count += 1
    return count


def of_line(item: int, content: bytes | msgspec.Raw) -> Iterator[ForeignVerdict | ItemFinding]:
    """The verdict of a line.

    Raises:
        msgspec.DecodeError: it is not such a line.
    """
    if isinstance(content, bytes) and not content.strip():
        return
    line = msgspec.json.decode(content, type=VerdictLine)
    reviewer = line.reviewer if line.reviewer.endswith(")") else f"{line.reviewer} (imported)"
    yield ForeignVerdict(
        item=item,
        id=line.id,
        reviewer=reviewer,
        record=line.record_id,
        concept=line.concept,
        said=line.said,
        instead=line.instead,
        model=line.model,
    )
