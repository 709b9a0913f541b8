"""Verdicts as labels: which concepts reviewers say that records show.

Standing verdicts count, and those of an audit once it is closed: until then they would tell what it
is about to measure. A concept that was called right labels the record, and so does the one that was
named instead. A reviewer who cannot tell adds no label. Where one reviewer names a concept and
another one calls it wrong or too general, the record is disputed and teaches nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

MOST_PROVIDERS = 200  # of a list
NEWEST = 2_000  # verdicts in which a page has time to count
WEIGHT = 10.0
"""How much a judged record counts in a training, beside the 1 of a harvested one."""


@dataclass(frozen=True, kw_only=True)
class TaughtRecord:
    """A record that verdicts label; `concepts` is one URI, or several if records may have them."""

    record_id: str
    data_provider: str
    concepts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TaughtLabels:
    """The records that verdicts label, in the order of judging.

    On `disputed` others the reviewers disagree, and `unlabelled` ones got no concept:
    they could not tell, or called one wrong without naming another.
    """

    records: tuple[TaughtRecord, ...]
    disputed: int
    unlabelled: int


@dataclass(frozen=True, kw_only=True)
class JudgedProvider:
    """A data provider whose records were judged, outside audits."""

    name: str
    records: int
    reviewers: int


_LABELS = text("""
    WITH said AS (
        SELECT verdict.record_id, verdict.concept_uri, verdict.said, verdict.judged_at,
               CASE verdict.said WHEN 'right' THEN verdict.concept_uri
                                 ELSE verdict.instead_uri END AS label
        FROM verdict LEFT JOIN audit ON audit.id = verdict.audit_id
        WHERE verdict.withdrawn_at IS NULL
          AND (verdict.audit_id IS NULL OR audit.state = 'closed')
    ), judged AS (
        SELECT said.record_id, coalesce(record.data_provider, '') AS data_provider,
               min(said.judged_at) AS judged_at,
               coalesce(array_agg(DISTINCT label ORDER BY label) FILTER (WHERE label IS NOT NULL),
                        '{}') AS labels,
               coalesce(array_agg(DISTINCT concept_uri)
                        FILTER (WHERE said IN ('wrong', 'too_general')), '{}') AS denied
        FROM said JOIN record ON record.id = said.record_id
        WHERE CAST(:data_provider AS text) IS NULL OR record.data_provider = :data_provider
        GROUP BY said.record_id, record.data_provider
    ), decided AS (
        SELECT *, labels && denied OR (:single AND cardinality(labels) > 1) AS is_disputed
        FROM judged
    )
    SELECT record_id, data_provider, labels, is_disputed FROM decided
    ORDER BY judged_at, record_id COLLATE "C"
""")
_PROVIDERS = text(f"""
    SELECT record.data_provider AS name, count(DISTINCT verdict.record_id) AS records,
           count(DISTINCT verdict.user_id) AS reviewers
    FROM verdict JOIN record ON record.id = verdict.record_id
    WHERE verdict.withdrawn_at IS NULL AND verdict.audit_id IS NULL
      AND record.data_provider IS NOT NULL
    GROUP BY record.data_provider ORDER BY max(verdict.judged_at) DESC LIMIT {MOST_PROVIDERS}
""")
_COUNTED = text(f"""
    WITH own AS (
        SELECT DISTINCT data_provider AS name FROM record
        WHERE id = ANY(CAST(:record_ids AS text[])) AND data_provider IS NOT NULL
    ), newest AS MATERIALIZED (
        SELECT record_id FROM verdict WHERE withdrawn_at IS NULL AND audit_id IS NULL
        ORDER BY judged_at DESC LIMIT {NEWEST}
    )
    SELECT own.name, least(:most, count(DISTINCT judged.id)) AS records
    FROM own LEFT JOIN (newest JOIN record AS judged ON judged.id = newest.record_id)
         ON judged.data_provider = own.name
    GROUP BY own.name ORDER BY own.name
""")


def taught_labels(
    connection: Connection, *, data_provider: str | None = None, several: bool = False
) -> TaughtLabels:
    """The labels that verdicts give, of one data provider's records or of all.

    Args:
        several: a record may have several concepts; else one that was given several is disputed.
    """
    asked = {"data_provider": data_provider, "single": not several}
    rows = connection.execute(_LABELS, asked).all()
    return TaughtLabels(
        records=tuple(
            TaughtRecord(
                record_id=row.record_id,
                data_provider=row.data_provider,
                concepts=tuple(row.labels),
            )
            for row in rows
            if row.labels and not row.is_disputed
        ),
        disputed=sum(row.is_disputed for row in rows),
        unlabelled=sum(not row.labels for row in rows),
    )


def judged_providers(connection: Connection) -> list[JudgedProvider]:
    """Data providers with standing verdicts of no audit, the last judged first."""
    return [JudgedProvider(**row) for row in connection.execute(_PROVIDERS).mappings()]


def count_judged(
    connection: Connection, record_ids: Collection[str], *, most: int
) -> dict[str, int]:
    """How many records of each data provider of some records were judged, outside audits.

    The NEWEST verdicts are counted, and at most `most` records.
    """
    asked = {"record_ids": list(record_ids), "most": most}
    return {row.name: row.records for row in connection.execute(_COUNTED, asked)}
