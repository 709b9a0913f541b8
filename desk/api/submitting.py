"""`POST /v1/jobs`: a list of records becomes a job, by the same function as `worker enqueue`.

The list is written to a file first. So a slow caller holds no transaction, and a list of a million
takes no memory.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import ijson
from pydantic import Field

from common.errors import KeyReusedError, UnknownModelError, UsageError
from common.process.terminal.ages import parse_age
from common.store.tables import PictureChoice, Priority, Role
from desk.api.declaring import JSON, TEXT, Body, Call, Endpoint, NoQuery, Reply
from desk.api.problems import StatusError
from worker import jobs as ledger
from worker.jobs import Accepted, JobOptions, Preview, Records, RecordSelection
from worker.jobs.records import (
    RejectedLines,
    leave_out_rejected,
    read_record_ids,
    refuse_rejected,
)

MOST_RECORDS = 1_000_000  # lines, or elements of the JSON
MOST_OF_JSON = 128 << 20  # bytes: a million item URIs take 80 MB
AT_A_TIME = 4  # lists: each holds a database connection while its job is made
KEY = "Idempotency-Key"


class SubmitQuery(NoQuery):
    name: str | None = Field(default=None, description="A name for the job.")
    priority: Priority = Field(
        default=Priority.BULK, description="Workers take urgent jobs before bulk jobs."
    )
    model: str | None = Field(
        default=None, description="NAME or NAME@VERSION; else the active model."
    )
    picture: PictureChoice | None = Field(
        default=None,
        description="Europeana's thumbnail, the provider's file (media), or the file with the "
        "thumbnail as fallback (auto). Default: thumbnail; auto if urgent.",
    )
    explain: bool = Field(default=False, description="Also store a heatmap of each enrichment.")
    look_again: bool = Field(default=False, description="Also look at pictures seen before.")
    max_age: str | None = Field(
        default=None, description="Look again at pictures seen longer ago: such as 30d or 12h."
    )
    skip_invalid: bool = Field(default=False, description="Leave out lines without a record ID.")
    dataset: str | None = Field(
        default=None, description="Without a body: the records of this dataset."
    )
    data_provider: str | None = Field(
        default=None, description="Without a body: the records of this data provider."
    )
    concept: str | None = Field(
        default=None, description="Without a body: records that have this concept in any dataset."
    )
    unseen: bool = Field(default=False, description="Leave out records that the model has seen.")
    dry_run: bool = Field(
        default=False, description="Answer what would be enqueued, and enqueue nothing."
    )


def submit_job(call: Call) -> Reply:
    """Make a job for a list of records.

    The body has one record on each line, or is a JSON list of records, with at most 1,000,000
    records. Each record is a record ID, an item URI or a portal URL. Without a body, the parameters
    select records of the store. The answer for a new job is 201. For a preview, or for a job that
    this idempotency key made before, the answer is 200.
    """
    query: SubmitQuery = call.query
    records, options = _records(call), _options(call)
    engine = call.desk.engine
    try:
        if query.dry_run:
            return Reply(value=ledger.preview(engine, records, options))
        accepted = ledger.enqueue(engine, records, options)
    except KeyReusedError as error:
        raise StatusError(409, str(error)) from None
    except UnknownModelError:
        raise StatusError(404, f"There is no model {query.model}. See /v1/projects") from None
    status = 200 if accepted.already_known else 201
    where = {"Location": f"/v1/jobs/{accepted.job_id}"}
    return Reply(value=accepted, status=status, headers=where)


def _records(call: Call) -> Records:
    query: SubmitQuery = call.query
    selection = RecordSelection(
        dataset=query.dataset, data_provider=query.data_provider, concept=query.concept
    )
    if call.body is None:
        if selection == RecordSelection() and not query.unseen:
            raise UsageError(
                "Send a list of records, or select them by dataset, data_provider, concept or "
                "unseen."
            )
        return selection
    if selection != RecordSelection():
        raise UsageError(
            "Give either a list, or a selection by dataset, data_provider and concept."
        )
    return _listed(call.file, call.media, skip_invalid=query.skip_invalid)


def _listed(file: BinaryIO, media: str, *, skip_invalid: bool) -> Iterator[str]:
    rejected = RejectedLines()
    lines = _strings(file) if media == JSON else _lines(file)
    found = read_record_ids(_bounded(lines), rejected, name="the list")
    if skip_invalid:
        return leave_out_rejected(found, rejected)
    leave_out = "leave them out with skip_invalid=true"
    return refuse_rejected(found, rejected, leave_out=leave_out)


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == MOST_RECORDS:
            raise StatusError(
                413, f"The list has more than {MOST_RECORDS:,} lines. Send it in parts."
            )
        yield line


def _lines(file: BinaryIO) -> Iterable[str]:
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace")


def _strings(file: BinaryIO) -> Iterator[str]:
    """The strings of a JSON list, one at a time."""
    try:
        events = ijson.basic_parse(file)
        if next(events)[0] != "start_array":
            raise StatusError(422, "The body must be a JSON list of strings.")
        for number, (event, value) in enumerate(events, start=1):
            if event == "string":
                yield value
            elif event != "end_array":
                raise StatusError(422, f"Element {number} of the list is not a string.")
    except ijson.JSONError as error:
        raise StatusError(400, f"The body is not valid JSON: {error}") from None


def _options(call: Call) -> JobOptions:
    query: SubmitQuery = call.query
    key = call.request.headers.get(KEY)
    if query.look_again and query.max_age is not None:
        raise UsageError("Give either look_again or max_age.")
    return JobOptions(
        name=query.name,
        priority=query.priority,
        picture=query.picture,
        model=query.model,
        unseen=query.unseen,
        explain=query.explain,
        look_again=query.look_again,
        max_age=None if query.max_age is None else parse_age(query.max_age),
        submitter=f"api, account {call.user.number}",
        idempotency_key=None if key is None else f"api {call.user.number} {key}",
        request_sha256=None if key is None else _digest(call),
    )


def _digest(call: Call) -> bytes:
    """The hash of the options and the list."""
    digest = hashlib.sha256(f"{call.query.model_dump_json()}\n{call.media}\n".encode())
    if call.body is not None:
        while piece := call.file.read(1 << 20):
            digest.update(piece)
        call.file.seek(0)
    return digest.digest()


SUBMIT_ROUTES = [
    Endpoint(
        "POST",
        "/jobs",
        submit_job,
        Role.OPERATOR,
        query=SubmitQuery,
        answers={200: Accepted | Preview, 201: Accepted},
        bodies=[
            Body(media=TEXT, kind=str, is_file=True),
            Body(media=JSON, kind=list[str], is_file=True),
        ],
        needs_body=False,
        most=MOST_OF_JSON,
        conflicts=True,
        logged=tuple(name for name in SubmitQuery.model_fields if name != "max_age"),
        headers={KEY: "The same key with the same request makes no second job."},
        places=AT_A_TIME,
    )
]
