"""Suggestions for a page: what models wrote, or did not write, with what people said of it.

A page is one statement whose work is bounded: it walks over at most so many records, in the order
of a job's chunks, of a data provider's records or of a model's enrichments, and says from where to
go on. So a filter that hardly anything passes costs no more than one that all pass; it gives pages
of few pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from common.errors import UsageError
from common.store.tables import Said
from desk.review.filters import Filters, Judged, Outcome

LONGEST = 300  # characters of a title or a name; metadata may hold any number
WALKED, WALKED_FILTERED = 600, 4_000  # records of a page, without and with filters
CHUNKS = 40  # of a job, of a page


@dataclass(frozen=True, kw_only=True)
class SaidBy:
    """What a reviewer says of a suggestion; `instead` is a label."""

    user_id: int
    name: str
    said: Said
    instead: str | None


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A concept that a model names for a record, with what people say of it.

    Without a concept, `reason` and `detail` say why there is none. `is_written` tells an
    enrichment from what the model only thinks.
    """

    record_id: str
    title: str | None
    data_provider: str | None
    rights: str | None
    model_id: int | None
    model: str | None
    concept: str | None = None
    label: str | None = None
    confidence: float | None = None
    is_written: bool = False
    heatmap: str | None = None
    reason: str | None = None
    detail: str | None = None
    verdicts: tuple[SaidBy, ...] = ()

    @property
    def is_disputed(self) -> bool:
        """Whether reviewers disagree."""
        return len({(each.said, each.instead) for each in self.verdicts}) > 1

    def said_by(self, user_id: int) -> SaidBy | None:
        """The verdict of one reviewer."""
        return next((each for each in self.verdicts if each.user_id == user_id), None)


@dataclass(frozen=True, kw_only=True)
class SuggestionPage:
    """Some suggestions; `after` is the place to go on from, None at the end."""

    found: list[Suggestion]
    walked: int
    after: str | None


_OF_JOB = f"""
    SELECT coalesce(alias.record_id, asked.id) AS record_id, asked.id AS asked_id,
           to_char(chunk.number, 'FM0000000000') || '.' || to_char(asked.place, 'FM000') AS place
    FROM (SELECT number, record_ids FROM job_chunk
          WHERE job_id = :job AND state IN ('done', 'dead') AND number >= :from_chunk
          ORDER BY number LIMIT {CHUNKS}) AS chunk
    CROSS JOIN LATERAL unnest(chunk.record_ids) WITH ORDINALITY AS asked(id, place)
    LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
    WHERE (chunk.number, asked.place) > (:from_chunk, :from_place)
    ORDER BY chunk.number, asked.place LIMIT :most
"""
_NARROWED = """
    SELECT step.* FROM step LEFT JOIN record ON record.id = step.record_id
    WHERE :provider = '' OR record.data_provider = :provider
"""
_CHUNK_AFTER = f"""
    (SELECT number FROM job_chunk
     WHERE job_id = :job AND state IN ('done', 'dead') AND number >= :from_chunk
     ORDER BY number OFFSET {CHUNKS} LIMIT 1)
"""
_OF_PROVIDER = """
    SELECT id AS record_id, id AS asked_id, id AS place FROM record
    WHERE data_provider = :provider AND id > :after ORDER BY id LIMIT :most
"""
_OF_MODEL = """
    SELECT record_id, record_id AS asked_id, record_id AS place FROM enrichment
    WHERE model_id = :first AND record_id > :after
    GROUP BY record_id ORDER BY record_id LIMIT :most
"""
_JUDGED = """
    SELECT FROM verdict WHERE record_id = walked.record_id AND concept_uri = written.concept_uri
                              AND withdrawn_at IS NULL AND audit_id IS NULL
"""
_CONDITIONS = {
    "concept": "concept_uri = :concept",
    "lowest": "confidence >= :lowest",
    "highest": "confidence <= :highest",
}
_JUDGED_CONDITIONS = {
    Judged.NO: f"NOT EXISTS ({_JUDGED})",
    Judged.YES: f"EXISTS ({_JUDGED})",
    Judged.DISPUTED: f"""
        EXISTS ({_JUDGED}
                HAVING count(DISTINCT (said, coalesce(instead_uri, ''))) > 1)""",
}
# Written enrichments one record after the other: the fence keeps Postgres from reading all of them,
# which it would for a new model, of which its statistics know nothing.
_WRITTEN = """
    SELECT walked.record_id, walked.place, written.model_id, written.concept_uri,
           written.confidence, written.image_url, CAST(NULL AS text) AS reason,
           CAST(NULL AS text) AS detail
    FROM walked CROSS JOIN LATERAL (
        SELECT model_id, concept_uri, confidence, image_url FROM enrichment
        WHERE model_id = ANY(CAST(:models AS int[])) AND record_id = walked.record_id
        {conditions} OFFSET 0
    ) AS written {judged} ORDER BY walked.place, written.confidence DESC LIMIT :rows
"""
_FAILED = """
    SELECT walked.record_id, walked.place, CAST(NULL AS int) AS model_id,
           CAST(NULL AS text) AS concept_uri, CAST(NULL AS float8) AS confidence,
           CAST(NULL AS text) AS image_url, failure.reason, failure.detail
    FROM walked JOIN job_failure AS failure
         ON failure.job_id = :job AND failure.record_id = walked.asked_id
    ORDER BY walked.place LIMIT :rows
"""
_NOTHING = """
    SELECT walked.record_id, walked.place, CAST(NULL AS int) AS model_id,
           CAST(NULL AS text) AS concept_uri, CAST(NULL AS float8) AS confidence,
           CAST(NULL AS text) AS image_url, CAST(NULL AS text) AS reason,
           CAST(NULL AS text) AS detail
    FROM walked
    WHERE NOT EXISTS (SELECT FROM enrichment WHERE model_id = ANY(CAST(:models AS int[]))
                      AND record_id = walked.record_id)
      AND NOT EXISTS (SELECT FROM job_failure AS failure
                      WHERE failure.job_id = :job AND failure.record_id = walked.asked_id)
    ORDER BY walked.place LIMIT :rows
"""
_TOLD = f"""
    SELECT found.record_id, found.place, found.model_id,
           model.name || ' v' || model.version AS model, found.concept_uri, found.confidence,
           found.reason, left(found.detail, {LONGEST}) AS detail, concept.label, heatmap.sha256,
           left(record.title, {LONGEST}) AS title,
           left(record.data_provider, {LONGEST}) AS data_provider, record.rights,
           (SELECT json_agg(json_build_object(
                'user_id', said.user_id, 'name', coalesce(who.name, 'account ' || who.id),
                'said', said.said, 'instead', other.label) ORDER BY said.judged_at)
            FROM verdict AS said JOIN desk_user AS who ON who.id = said.user_id
            LEFT JOIN concept AS other ON other.uri = said.instead_uri
            WHERE said.record_id = found.record_id AND said.concept_uri = found.concept_uri
              AND said.withdrawn_at IS NULL AND said.audit_id IS NULL) AS verdicts
    FROM found
    LEFT JOIN record ON record.id = found.record_id
    LEFT JOIN concept ON concept.uri = found.concept_uri
    LEFT JOIN model ON model.id = found.model_id
    LEFT JOIN heatmap ON heatmap.record_id = found.record_id
         AND heatmap.concept_uri = found.concept_uri AND heatmap.model_id = found.model_id
         AND heatmap.image_url = found.image_url
    ORDER BY found.place, found.confidence DESC
"""


def suggestion_page(
    connection: Connection, filters: Filters, model_ids: Sequence[int], *, count: int
) -> SuggestionPage:
    """A page of about `count` suggestions; records are never divided between pages.

    Args:
        model_ids: the models that a job, or the filters, name. Without a job only the first one's
            enrichments are walked over.

    Raises:
        UsageError: the place to go on from is malformed.
    """
    is_filtered = filters.concept or filters.lowest or filters.highest
    most = WALKED_FILTERED if is_filtered or filters.judged is not Judged.ANY else WALKED
    asked = {
        "job": filters.job,
        "provider": filters.provider,
        "concept": filters.concept,
        "lowest": filters.lowest,
        "highest": filters.highest,
        "models": list(model_ids),
        "first": next(iter(model_ids), None),
        "most": most,
        "rows": 2 * count,
        **_places(filters),
    }
    row = connection.execute(text(_statement(filters)), asked).one()
    return _cut(row, count=count, most=most, rows=2 * count)


def _statement(filters: Filters) -> str:
    walk = _OF_JOB if filters.job else _OF_PROVIDER if filters.provider else _OF_MODEL
    found = {Outcome.FAILED: _FAILED, Outcome.ENRICHED: _written(filters)}
    return f"""
        WITH step AS ({walk}), walked AS ({_NARROWED if filters.job else "SELECT * FROM step"}),
             found AS ({found.get(filters.outcome, _NOTHING)}), told AS ({_TOLD})
        SELECT (SELECT json_agg(told) FROM told) AS found,
               (SELECT count(*) FROM step) AS walked, (SELECT max(place) FROM step) AS last,
               {_CHUNK_AFTER if filters.job else "NULL"} AS chunk_after
    """


def _written(filters: Filters) -> str:
    given = {name: getattr(filters, name) for name in _CONDITIONS}
    conditions = [f"AND {_CONDITIONS[name]}" for name, value in given.items() if value]
    judged = _JUDGED_CONDITIONS.get(filters.judged)
    return _WRITTEN.format(
        conditions=" ".join(conditions), judged=f"WHERE {judged}" if judged else ""
    )


def _places(filters: Filters) -> dict[str, Any]:
    if not filters.job:
        return {"after": filters.after}
    chunk, _, place = (filters.after or "0.0").partition(".")
    if not (chunk.isdecimal() and place.isdecimal() and len(filters.after) <= 14):
        raise UsageError("The place to go on from is malformed. Begin with the first page.")
    return {"from_chunk": int(chunk), "from_place": int(place)}


def _cut(row: Any, *, count: int, most: int, rows: int) -> SuggestionPage:
    """The page in what was found: whole records, and not many more than `count` suggestions."""
    told = row.found or []
    groups = [list(group) for _, group in groupby(told, key=lambda each: each["place"])]
    is_cut = len(told) == rows
    if is_cut and len(groups) > 1:
        groups.pop()  # there may be more of it
    shown: list[dict[str, Any]] = []
    for place, group in enumerate(groups, start=1):
        shown += group
        if len(shown) >= count:
            is_cut = is_cut or place < len(groups)
            break
    after = shown[-1]["place"] if is_cut else _after_walk(row, most)
    return SuggestionPage(
        found=[_suggestion(each) for each in shown], walked=row.walked, after=after
    )


def _after_walk(row: Any, most: int) -> str | None:
    """Where the next walk begins; None if this one came to the end."""
    if row.walked == most:
        return str(row.last)
    return None if row.chunk_after is None else f"{row.chunk_after:010d}.000"


def _suggestion(row: dict[str, Any]) -> Suggestion:
    said = [SaidBy(**each | {"said": Said(each["said"])}) for each in row["verdicts"] or ()]
    return Suggestion(
        record_id=row["record_id"],
        title=row["title"],
        data_provider=row["data_provider"],
        rights=row["rights"],
        model_id=row["model_id"],
        model=row["model"],
        concept=row["concept_uri"],
        label=row["label"],
        confidence=row["confidence"],
        is_written=row["concept_uri"] is not None,
        heatmap=row["sha256"],
        reason=row["reason"],
        detail=row["detail"],
        verdicts=tuple(said),
    )


@dataclass(frozen=True, kw_only=True)
class RecordShown:
    """A record with all that models wrote of it; `media_url` is the provider's file."""

    record_id: str
    title: str | None
    data_provider: str | None
    rights: str | None
    media_url: str | None
    suggestions: list[Suggestion]


_RECORD = text(f"""
    SELECT id AS record_id, left(title, {LONGEST}) AS title, media_url,
           left(data_provider, {LONGEST}) AS data_provider, rights
    FROM record WHERE id = :record_id
""")
_ALL_OF_RECORD = text(f"""
    WITH found AS (
        SELECT record_id, record_id AS place, enrichment.model_id, enrichment.concept_uri,
               enrichment.confidence, enrichment.image_url, NULL AS reason, NULL AS detail
        FROM model CROSS JOIN LATERAL (
            SELECT * FROM enrichment WHERE model_id = model.id AND record_id = :record_id OFFSET 0
        ) AS enrichment
    ) {_TOLD}
""")


def suggestions_of_record(connection: Connection, record_id: str) -> RecordShown | None:
    """A record with the enrichments of all models; None if it is not in the store."""
    asked = {"record_id": record_id}
    record = connection.execute(_RECORD, asked).mappings().one_or_none()
    if record is None:
        return None
    rows = connection.execute(_ALL_OF_RECORD, asked).mappings()
    return RecordShown(**record, suggestions=[_suggestion(dict(row)) for row in rows])
