"""What came of a job, in pages: its enrichments, as `worker export` has them, and its failures.

A page has all that came of some chunks, up to 1,024 records. Its cursor is the number of the last
chunk. So a page takes as long however many records the job has.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from sqlalchemy import Engine
from starlette.responses import JSONResponse, Response

from common.errors import UsageError
from common.europeana.linked_data import annotation_page
from common.reasons import Reason
from common.store.tables import VerdictKind
from common.vocabulary.languages import wanted_languages
from desk.api.declaring import JSON, Call, Endpoint, NoQuery, Reply
from desk.api.jobs import job_of
from desk.api.problems import StatusError
from worker.exports.formats.texts import annotation_of, once_a_concept
from worker.exports.formats.texts import write_csv as write_enrichments
from worker.exports.rows import Promised
from worker.exports.selection import SelectedRows, Selection, selected
from worker.jobs.failures import FailedRecord, failures
from worker.jobs.failures import write_csv as write_failures
from worker.jobs.parts import ChunkNumbers, next_chunks
from worker.jobs.prune import check_not_pruned

CSV, JSON_LD = "text/csv", "application/ld+json"
NAMED = {"json": JSON, "csv": CSV, "jsonld": JSON_LD}
LAST_CHUNK = 2**31 - 1
_ABOUT_FORMAT = "The form of the answer. Default: the first one that the header Accept names."
_REASONS = sorted({reason.code for reason in Reason})


def _known_reason(reason: str) -> str:
    if reason not in _REASONS:
        raise PydanticCustomError(
            "unknown_reason",
            "there is no such reason. Reasons: {known}",
            {"known": ", ".join(_REASONS)},
        )
    return reason


KnownReason = Annotated[
    str, AfterValidator(_known_reason), WithJsonSchema({"type": "string", "enum": _REASONS})
]


class PageQuery(NoQuery):
    cursor: int = Field(
        default=0, ge=0, le=LAST_CHUNK, description="`next` of the page before; 0 is the first."
    )


class FailuresQuery(PageQuery):
    reason: list[KnownReason] = Field(
        default=[],
        description="Only records that failed for this reason. You can repeat this option.",
    )
    format: Literal["json", "csv"] | None = Field(default=None, description=_ABOUT_FORMAT)


class EnrichmentsQuery(PageQuery):
    with_wrong: bool = Field(
        default=False, description="Also what more reviewers call wrong than right."
    )
    confirmed_only: bool = Field(default=False, description="Only what reviewers call right.")
    format: Literal["json", "csv", "jsonld"] | None = Field(default=None, description=_ABOUT_FORMAT)


@dataclass(frozen=True, kw_only=True)
class ExportedEnrichment:
    """A row of an export, with the labels by language instead of a column for each.

    docs/reference/exports/csv.md says what the members mean.
    """

    record_id: str
    concept: str
    label: str
    labels: Mapping[str, str]
    confidence: float
    model: str
    picture: str
    image_url: str
    heatmap: str | None
    seen: datetime | None
    verdict: str | None
    provider: str | None
    rights: str | None
    job: str
    encoder: str | None
    threshold: float | None
    promise: Promised
    written: datetime


@dataclass(frozen=True, kw_only=True)
class EnrichmentPage:
    """Enrichments, and the cursor of the next page; null after the last one.

    `left_out` were blocked by decisions, and reviewers call `wrong` ones wrong.
    """

    enrichments: list[ExportedEnrichment]
    next: int | None
    left_out: int
    wrong: int


@dataclass(frozen=True, kw_only=True)
class FailurePage:
    """Failed records, and the cursor of the next page; null after the last one."""

    failures: list[FailedRecord]
    next: int | None


def list_failures(call: Call) -> Reply | Response:
    """List the failed records of a job, and the reasons."""
    query: FailuresQuery = call.query
    job, engine = job_of(call), call.desk.engine
    _check_not_pruned(engine, job)
    chunks = _chunks(call, job, "failed")
    headers = _headers(call, chunks)
    with failures(engine, job, query.reason, chunks=chunks) as rows:
        if _format(call, JSON, CSV) == JSON:
            page = FailurePage(failures=list(rows), next=_next(chunks))
            return Reply(value=page, headers=headers)
        text = io.StringIO()
        write_failures(rows, text)
        return Response(text.getvalue(), headers=headers, media_type=CSV)


def list_enrichments(call: Call) -> Reply | Response:
    """List the enrichments of a job.

    A page has the enrichments of some records. So pages have different lengths, and a page may be
    empty. If the job is not finished, new enrichments may belong to pages that you already read.
    """
    query: EnrichmentsQuery = call.query
    if query.with_wrong and query.confirmed_only:
        raise UsageError("Give either with_wrong or confirmed_only.")
    job = job_of(call)
    _check_not_pruned(call.desk.engine, job)
    chunks = _chunks(call, job, "done")
    selection = Selection(
        job=job, chunks=chunks, verdict=VerdictKind.RIGHT if query.confirmed_only else None
    )
    languages = wanted_languages(call.request.headers.get("accept-language", ""))
    with selected(
        call.desk.engine, selection, with_wrong=query.with_wrong, wanted=languages
    ) as rows:
        return _enrichments(call, rows, chunks)


def _enrichments(call: Call, rows: SelectedRows, chunks: ChunkNumbers) -> Reply | Response:
    wanted, headers, labels = _format(call, JSON, CSV, JSON_LD), _headers(call, chunks), rows.labels
    if wanted == CSV:
        stream = io.BytesIO()
        write_enrichments(rows, stream, labels)
        return Response(stream.getvalue(), headers=headers, media_type=CSV)
    if wanted == JSON_LD:
        items = [annotation_of(row, "record", labels) for row in once_a_concept(rows)]
        return JSONResponse(annotation_page(items), headers=headers, media_type=JSON_LD)
    listed = [
        ExportedEnrichment(**row._asdict(), labels=labels.by_language(row.model, row.concept))
        for row in rows
    ]
    page = EnrichmentPage(
        enrichments=listed, next=_next(chunks), left_out=rows.left_out, wrong=rows.wrong
    )
    return Reply(value=page, headers=headers)


def _chunks(call: Call, job: UUID, which: Literal["done", "failed"]) -> ChunkNumbers:
    after: int = call.query.cursor
    with call.desk.engine.connect() as connection:
        found = next_chunks(connection, job, which, after=after)
    return found or ChunkNumbers(first=LAST_CHUNK, last=LAST_CHUNK)


def _next(chunks: ChunkNumbers) -> int | None:
    return chunks.last if chunks.has_more else None


def _headers(call: Call, chunks: ChunkNumbers) -> dict[str, str]:
    """The address of the next page, since CSV and JSON-LD have no place for a cursor."""
    if not chunks.has_more:
        return {}
    url = call.request.url.include_query_params(cursor=chunks.last)
    origin = call.desk.settings.origin_for(call.request.headers["host"])
    return {"Link": f'<{origin}{url.path}?{url.query}>; rel="next"'}


def _format(call: Call, *possible: str) -> str:
    """The media type that the address asks for, or else the header Accept."""
    if call.query.format is not None:
        return NAMED[call.query.format]
    accepted = call.request.headers.get("accept", "").split(",")
    named = (each.partition(";")[0].strip().lower() for each in accepted)
    return next((each for each in named if each in possible), possible[0])


def _check_not_pruned(engine: Engine, job: UUID) -> None:
    instead = f"You can still see its numbers: GET /v1/jobs/{job}"
    try:
        with engine.connect() as connection:
            check_not_pruned(connection, job, instead=instead)
    except UsageError as error:
        raise StatusError(409, str(error)) from None


def _pages(
    path: str, view: Any, query: type[PageQuery], kind: type, also: Mapping[str, Any]
) -> Endpoint:
    return Endpoint(
        "GET", path, view, answers={200: kind}, also=also, query=query, conflicts=True, places=4
    )


OUTCOME_ROUTES = [
    _pages("/jobs/{job:uuid}/failures", list_failures, FailuresQuery, FailurePage, {CSV: str}),
    _pages(
        "/jobs/{job:uuid}/enrichments",
        list_enrichments,
        EnrichmentsQuery,
        EnrichmentPage,
        {CSV: str, JSON_LD: dict[str, Any]},
    ),
]
