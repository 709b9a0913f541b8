"""Suggestions for a page: concepts that models wrote, or did not write, with people's verdicts.

A page is one SQL statement with bounded work. It walks over a limited number of records, in the
order of a job's chunks, of a data provider's records or of a model's enrichments. It returns the
place where the next page begins. So a strict filter costs no more than none; its pages just have
fewer pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from common.store.tables import VerdictKind
from common.store.tables.vocabularies import label_sql
from common.vocabulary.languages import READER
from desk.review.filters import JudgedState, ViewFilters
from desk.review.walks import parameters, place_to_begin, walk_statement
from worker.jobs.prune import check_not_pruned

LONGEST = 300  # characters of a title or a name that a page shows; metadata may have any number
_INSTEAD = "The enrichments of the job stay. To see them, choose the model or a data provider."
WALKED, WALKED_FILTERED = 600, 4_000  # records that a page walks over, without and with filters


@dataclass(frozen=True, kw_only=True)
class GivenVerdict:
    """A reviewer's verdict on a suggestion. `instead` is the label of another concept.

    `id` is None if the verdict is on another concept of the record and names this one instead.
    """

    id: UUID | None
    user_id: int
    name: str
    said: VerdictKind
    instead: str | None
    instead_uri: str | None


@dataclass(frozen=True, kw_only=True)
class ProbableConcept:
    uri: str
    label: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A concept that a model predicts for a record, with people's verdicts.

    Without a concept, `reason` and `detail` say why there is none. `is_written` is true for an
    enrichment and false for a prediction below it. `probable` has other concepts to choose from.
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
    verdicts: tuple[GivenVerdict, ...] = ()
    probable: tuple[ProbableConcept, ...] = ()

    @property
    def is_disputed(self) -> bool:
        return len({(each.said, each.instead) for each in self.verdicts}) > 1

    def said_by(self, user_id: int) -> GivenVerdict | None:
        return next((each for each in self.verdicts if each.id and each.user_id == user_id), None)


@dataclass(frozen=True, kw_only=True)
class SuggestionPage:
    """The suggestions of a page. `after` is where the next page begins, None at the end."""

    found: list[Suggestion]
    walked: int
    after: str | None


# If no model wrote the row: the vocabulary of the page's first model.
_VOCABULARY = """
    coalesce(model.vocabulary_id,
             (SELECT vocabulary_id FROM model WHERE id = (CAST(:models AS int[]))[1]))
"""
_TOLD = f"""
    SELECT found.record_id, found.place, found.model_id,
           model.name || ' v' || model.version AS model, found.concept_uri, found.confidence,
           found.reason, left(found.detail, {LONGEST}) AS detail,
           {label_sql(_VOCABULARY, "found.concept_uri")} AS label, heatmap.sha256,
           left(record.title, {LONGEST}) AS title,
           left(record.data_provider, {LONGEST}) AS data_provider, record.rights,
           (SELECT json_agg(json_build_object(
                'id', CASE said.concept_uri WHEN found.concept_uri THEN said.id END,
                'user_id', said.user_id, 'name', coalesce(who.name, 'account ' || who.id),
                'said', CASE said.instead_uri WHEN found.concept_uri THEN 'right'
                        ELSE said.said END,
                'instead', CASE said.instead_uri WHEN found.concept_uri THEN NULL
                           ELSE {label_sql(_VOCABULARY, "said.instead_uri")} END,
                'instead_uri', said.instead_uri) ORDER BY said.judged_at)
            FROM verdict AS said JOIN desk_user AS who ON who.id = said.user_id
            WHERE said.record_id = found.record_id
              AND (said.concept_uri = found.concept_uri OR said.instead_uri = found.concept_uri)
              AND said.withdrawn_at IS NULL AND said.audit_id IS NULL) AS verdicts
    FROM found
    LEFT JOIN record ON record.id = found.record_id
    LEFT JOIN model ON model.id = found.model_id
    LEFT JOIN heatmap ON heatmap.record_id = found.record_id
         AND heatmap.concept_uri = found.concept_uri AND heatmap.model_id = found.model_id
         AND heatmap.image_url = found.image_url
    ORDER BY found.place, found.confidence DESC NULLS LAST, found.concept_uri
"""


def suggestion_page(
    connection: Connection, filters: ViewFilters, model_ids: Sequence[int], *, count: int
) -> SuggestionPage:
    """A page of about `count` suggestions. All suggestions of a record are on the same page.

    Args:
        model_ids: the models that the job or the filters name. Without a job, the page walks over
            the enrichments of the first one only.

    Raises:
        UsageError: the place where the page begins is malformed, or the list of the job's records
            was removed.
    """
    if filters.job is not None:
        check_not_pruned(connection, filters.job, instead=_INSTEAD)
    is_filtered = filters.concept or filters.lowest or filters.highest
    most = WALKED_FILTERED if is_filtered or filters.judged is not JudgedState.ANY else WALKED
    asked = parameters(filters, model_ids) | place_to_begin(filters)
    asked |= {"most": most, "rows": 2 * count, "languages": list(READER.get())}
    row = connection.execute(text(walk_statement(filters, told=_TOLD)), asked).one()
    return _cut(row, count=count, most=most, rows=2 * count)


def _cut(row: Any, *, count: int, most: int, rows: int) -> SuggestionPage:
    """The page: whole records, with not many more than `count` suggestions."""
    told = row.found or []
    groups = [list(group) for _, group in groupby(told, key=lambda each: each["place"])]
    is_cut = len(told) == rows
    if is_cut and len(groups) > 1:
        groups.pop()  # the record may have more suggestions
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
    """The place where the next walk begins; None if this one reached the end."""
    if row.walked == most:
        return str(row.last)
    return None if row.chunk_after is None else f"{row.chunk_after:010d}.000"


def _suggestion(row: dict[str, Any]) -> Suggestion:
    said = [
        GivenVerdict(
            **each | {"id": each["id"] and UUID(each["id"]), "said": VerdictKind(each["said"])}
        )
        for each in row["verdicts"] or ()
    ]
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
        is_written=row["model_id"] is not None,
        heatmap=row["sha256"],
        reason=row["reason"],
        detail=row["detail"],
        verdicts=tuple(said),
    )


@dataclass(frozen=True, kw_only=True)
class RecordShown:
    """A record with all suggestions and verdicts. `media_url` is the provider's file."""

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
    WITH written AS (
        SELECT enrichment.* FROM model CROSS JOIN LATERAL (
            SELECT * FROM enrichment WHERE model_id = model.id AND record_id = :record_id OFFSET 0
        ) AS enrichment
    ), found AS (
        SELECT record_id, record_id AS place, model_id, concept_uri, confidence, image_url,
               NULL AS reason, NULL AS detail
        FROM written
        UNION ALL
        SELECT DISTINCT record_id, record_id, CAST(NULL AS int), concept_uri,
               CAST(NULL AS float8), CAST(NULL AS text), NULL, NULL
        FROM verdict
        WHERE record_id = :record_id AND withdrawn_at IS NULL AND audit_id IS NULL
          AND concept_uri NOT IN (SELECT concept_uri FROM written)
    ) {_TOLD}
""")
_ASKED = text(f"""
    WITH found AS (
        SELECT asked.record_id, asked.place, written.model_id, asked.concept_uri,
               written.confidence, written.image_url, NULL AS reason, NULL AS detail
        FROM unnest(CAST(:record_ids AS text[]), CAST(:concepts AS text[]))
             WITH ORDINALITY AS asked(record_id, concept_uri, place)
        JOIN record ON record.id = asked.record_id
        JOIN concept ON concept.uri = asked.concept_uri
        LEFT JOIN LATERAL (
            SELECT * FROM enrichment
            WHERE model_id = ANY(CAST(:models AS int[])) AND record_id = asked.record_id
              AND concept_uri = asked.concept_uri ORDER BY confidence DESC LIMIT 1
        ) AS written ON true
    ) {_TOLD}
""")


def suggestions_asked(
    connection: Connection, keys: Sequence[tuple[str, str]], model_ids: Sequence[int]
) -> list[Suggestion]:
    """Suggestions for pairs of record ID and concept URI, written by a model or not.

    Pairs that the store does not know are left out.
    """
    asked = {
        "record_ids": [record_id for record_id, _ in keys],
        "concepts": [concept for _, concept in keys],
        "models": list(model_ids),
        "languages": list(READER.get()),
    }
    rows = connection.execute(_ASKED, asked).mappings()
    return [_suggestion(dict(row)) for row in rows]


def suggestions_of_record(connection: Connection, record_id: str) -> RecordShown | None:
    """A record with the enrichments of all models and the concepts that only people named; None if
    it is not in the store."""
    asked: dict[str, Any] = {"record_id": record_id}
    record = connection.execute(_RECORD, asked).mappings().one_or_none()
    if record is None:
        return None
    asked |= {"models": [], "languages": list(READER.get())}
    rows = connection.execute(_ALL_OF_RECORD, asked).mappings()
    return RecordShown(**record, suggestions=[_suggestion(dict(row)) for row in rows])
