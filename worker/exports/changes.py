"""What changed since an earlier export: for an aggregator that merges the changes into its records.

A statement is a concept of a record, whichever models found it. It may have changed since a time if
an enrichment of it was written or removed, a reviewer judged it, an audit with a verdict on it
ended, or a decision that blocks it was made or undone. If it holds now, it is added, even if it was
there before. If it does not hold, it is removed, even if it was never there. So a merge may be
repeated, and a time that is too early does no harm.

The store does not note that a record moved to another data provider, nor that Europeana deleted it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from common.store.decisions import changed_blocks
from common.store.teaching.standing_verdicts import STANDING_VERDICTS
from common.vision.answers.blocked import BY_PROVIDER, FOR_ALL, REFUSED, Blocks

_NAME = re.compile(r":(\w+)")
_PARAMETERS = [name for each in (FOR_ALL, REFUSED, BY_PROVIDER) for name in _NAME.findall(each)]
# A query holds these beside the blocks of now, so their parameters have names of their own.
_BLOCKED_OR_FREED = "".join(
    f" UNION ALL SELECT record_id, concept_uri FROM enrichment WHERE {changed}"
    for changed in (_NAME.sub(r":changed_\1", each) for each in (FOR_ALL, REFUSED, BY_PROVIDER))
)
# As a set of pairs to join with, because Postgres cannot spill one that stands in an OR to disk.
CHANGED_SINCE = f"""
    (enrichment.record_id, enrichment.concept_uri) IN (
        SELECT record_id, concept_uri FROM enrichment WHERE updated_at >= :changed_since
        UNION ALL
        SELECT record_id, concept_uri FROM enrichment_removed WHERE removed_at >= :changed_since
        UNION ALL
        SELECT record_id, about.uri FROM verdict LEFT JOIN audit ON audit.id = audit_id
        CROSS JOIN LATERAL (VALUES (verdict.concept_uri), (instead_uri)) AS about(uri)
        WHERE greatest(judged_at, verdict.withdrawn_at, audit.ended_at) >= :changed_since
        {_BLOCKED_OR_FREED})
"""
"""The condition of a row of `enrichment`; its parameters are `change_parameters`."""

# Named as the table, because the conditions of blocks are about rows of `enrichment`.
_REMOVED = f"""
    SELECT record_id, concept_uri FROM (
        SELECT record_id, concept_uri, bool_or(is_there) AS is_there FROM (
            SELECT record_id, concept_uri, true AS is_there FROM enrichment WHERE {CHANGED_SINCE}
            UNION ALL
            SELECT record_id, concept_uri, false FROM enrichment_removed
            WHERE removed_at >= :changed_since
        ) AS once GROUP BY record_id, concept_uri
    ) AS enrichment
    LEFT JOIN ({STANDING_VERDICTS}) AS standing USING (record_id, concept_uri)
    WHERE NOT coalesce(is_there AND {{holds}}, false)
    ORDER BY record_id COLLATE "C", concept_uri COLLATE "C"
"""


class Statement(NamedTuple):
    record_id: str
    concept: str


def change_parameters(connection: Connection, time: datetime) -> dict[str, Any]:
    """The parameters of CHANGED_SINCE."""
    blocks = Blocks.of(changed_blocks(connection, time)).in_sql(connection).parameters
    renamed = {f"changed_{name}": blocks.get(name, []) for name in _PARAMETERS}
    return {"changed_since": time, **renamed}


def removed_statements(
    connection: Connection, asked: Mapping[str, Any], *, holds: str
) -> Iterator[Statement]:
    """The changed statements that no model makes, or that do not hold, in a fixed order.

    Args:
        asked: `change_parameters`, and the parameters of `holds`.
        holds: a condition of `enrichment.record_id`, `enrichment.concept_uri`, `standing.verdict`.
    """
    for row in connection.execute(text(_REMOVED.format(holds=holds)), asked):
        yield Statement._make(row)
