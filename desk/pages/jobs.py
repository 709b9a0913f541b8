"""The pages of jobs: their progress, and the actions of operators."""

import io
from collections.abc import Iterable, Iterator, Sequence
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.responses import Response

from common.errors import UsageError, blaming
from common.process.terminal.counting import counted
from common.reasons import meaning_of
from common.store.tables import JobState, PictureChoice, Priority, Role
from common.vision.answers.data_providers import provider_choices
from desk.review.filters import job_number, one_of
from desk.review.shown_models import all_models
from desk.steering.matching import matching, steer
from desk.steering.throughput import throughput
from desk.web.asking import DeskRequest, action, go_to, page
from desk.web.desk import AskedAgainError
from desk.web.rendering import render
from harvester.datasets.operations import list_datasets
from worker import jobs as ledger
from worker.exports.formats.parquet import is_available
from worker.jobs import JobOptions, Records, RecordSelection
from worker.jobs.prune import pruned_at, told_pruned
from worker.jobs.records import (
    RejectedLines,
    leave_out_rejected,
    read_record_ids,
    refuse_rejected,
)
from worker.jobs.report import hindrances
from worker.ledger.roster import live_workers

MOST_OF_LIST = 64 << 20  # bytes
MOST_LINES, MOST_REJECTED = 2_000_000, 10_000
LOOK_EVERY = 1_000  # lines, then check that the browser is still connected
LEAVE_OUT = "tick “leave out lines without a record ID”"
DONE_WORDS = {
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
    "retry": "tried again",
}


def jobs(asked: DeskRequest) -> Response:
    state = asked.query("state")
    rows = ledger.list_jobs(asked.desk.engine, _states(state))
    return render(asked, "jobs", {"jobs": rows, "state": state, "states": list(JobState)})


def job(asked: DeskRequest) -> Response:
    return render(asked, "job", _of_job(asked))


def live(asked: DeskRequest) -> Response:
    """The part of a job's page that changes. The page's script fetches it every few seconds."""
    return render(asked, "job_progress", _of_job(asked))


def _of_job(asked: DeskRequest) -> dict[str, object]:
    number = job_number(asked.path("job"))
    engine = asked.desk.engine
    status = ledger.status(engine, number)
    with engine.connect() as connection:
        plot = throughput(connection, number)
        pruned = pruned_at(connection, number)
    return {
        "status": status,
        "plot": plot,
        "hosts": ledger.failing_hosts(engine, number) if status.failed or status.put_off else [],
        "drifts": ledger.drift_of_job(engine, number),
        "unpromised": ledger.unpromised(engine, number),
        "hindrances": list(hindrances(status, live_workers(engine))) if status.waiting else [],
        "is_over": JobState(status.state).is_over,
        "has_parquet": is_available(),
        "pruned": told_pruned(number, pruned) if pruned else None,
        "meanings": {code: meaning_of(code) for code in status.failures},
    }


def steer_jobs(asked: DeskRequest) -> Response:
    what, engine = asked.field("action"), asked.desk.engine
    if what not in DONE_WORDS:
        raise UsageError(f"{what[:40]!r} is not an action for jobs.")
    if asked.field("all"):
        chosen = matching(engine, _states(asked.field("state")), what)
    else:
        chosen = [job_number(each) for each in asked.fields("job")]
    back = asked.field("back") or "/jobs"
    if not chosen:
        raise AskedAgainError(
            "No job was changed. First tick one or more jobs, or tick all.", page=back
        )
    if what == "cancel":
        first = ledger.status(engine, chosen[0])
        one = first.name or f"The job of {first.created_at:%Y-%m-%d %H:%M}"
        which = one if len(chosen) == 1 else f"These {len(chosen):,} jobs"
        asked.confirm(
            f"{which} will stop, and you cannot resume a cancelled job. Records without an outcome "
            "will not be enriched. Enrichments that are written already stay.",
            yes=f"Cancel {counted(len(chosen), 'job')}",
            back=back,
        )
    done = steer(engine, chosen, what)
    if not done.done and len(chosen) == 1:
        raise UsageError(done.refused[0])
    told = f"{done.done:,} of {len(chosen):,} jobs {DONE_WORDS[what]}. {' '.join(done.refused)}"
    return go_to(back, told=told.strip())


def retry(asked: DeskRequest) -> Response:
    number = job_number(asked.path("job"))
    records = ledger.retry(asked.desk.engine, number, asked.fields("reason"))
    return go_to(f"/jobs/{number}", told=f"Workers will try again: {counted(records, 'record')}.")


def new_job(asked: DeskRequest) -> Response:
    return _form(asked, {})


def enqueue(asked: DeskRequest) -> Response:
    """Enqueue a job from a file, from typed IDs or from a selection, or show a preview of it."""
    rejected = RejectedLines()
    records, options = _records(asked, rejected), _options(asked)
    if asked.field("look"):
        found = ledger.preview(asked.desk.engine, records, options)
        return _form(asked, {"preview": found, "rejected": rejected})
    accepted = ledger.enqueue(asked.desk.engine, records, options)
    told = f"{counted(accepted.total, 'record')} enqueued."
    if accepted.already_known:
        told = "This job was enqueued before. No record was added."
    if rejected.count:
        told += f" Left out: {counted(rejected.count, 'line')} without a record ID."
    return go_to(f"/jobs/{accepted.job_id}", told=told)


def _form(asked: DeskRequest, found: dict[str, object]) -> Response:
    with asked.desk.engine.connect() as connection:
        values = {"models": all_models(connection), "providers": provider_choices(connection)}
    values |= {  # after the connection is given back: a page with one must not wait for a second
        "datasets": list_datasets(asked.desk.engine),
        "pictures": list(PictureChoice),
        "key": asked.field("key") or str(uuid4()),
        "preview": None,
        "rejected": None,
        "had_file": _upload(asked) is not None,
    }
    return render(asked, "new_job", values | found)


def _records(asked: DeskRequest, rejected: RejectedLines) -> Records:
    selection = RecordSelection(
        dataset=asked.field("dataset") or None,
        data_provider=asked.field("provider") or None,
        concept=asked.field("concept") or None,
    )
    typed, file = asked.field("ids").splitlines(), _file_lines(asked)
    if (file is not None) + bool(typed) + (selection != RecordSelection()) > 1:
        raise UsageError("Choose only one: a file, typed IDs, or a selection of records.")
    if file is not None or typed:
        return _listed(asked, typed if file is None else file, rejected)
    if selection == RecordSelection() and not asked.field("unseen"):
        raise UsageError("Choose the records: a file, typed IDs, or a selection.", field="ids")
    return selection


def _listed(asked: DeskRequest, lines: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    found = read_record_ids(_bounded(asked, lines, rejected), rejected, name="the list")
    with blaming("ids" if _upload(asked) is None else "file"):
        if asked.field("skip"):
            yield from leave_out_rejected(found, rejected)
        else:
            yield from refuse_rejected(found, rejected, leave_out=LEAVE_OUT)


def _bounded(asked: DeskRequest, lines: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    """The lines, until there are too many for a job or the browser has gone."""
    for number, line in enumerate(lines):
        if number == MOST_LINES:
            raise UsageError(f"The list has more than {MOST_LINES:,} lines. Send it in parts.")
        if rejected.count > MOST_REJECTED:
            raise UsageError(
                f"More than {MOST_REJECTED:,} lines have no record ID. So the desk stopped "
                f"reading and enqueued no record. Correct the list.\n  {rejected}"
            )
        if number % LOOK_EVERY == 0:
            asked.check_sender()
        yield line


def _upload(asked: DeskRequest) -> UploadFile | None:
    upload = asked.form.get("file")
    return upload if isinstance(upload, UploadFile) and upload.filename else None


def _file_lines(asked: DeskRequest) -> Iterable[str] | None:
    """The lines of the file in the form, or None. Reading them to the end closes the file."""
    if (upload := _upload(asked)) is None:
        return None
    return io.TextIOWrapper(upload.file, encoding="utf-8-sig", errors="replace")


def _options(asked: DeskRequest) -> JobOptions:
    picture, key = asked.field("picture"), asked.field("key")
    return JobOptions(
        name=asked.field("name") or None,
        priority=Priority.URGENT if asked.field("urgent") else Priority.BULK,
        picture=one_of(PictureChoice, picture, "picture") if picture else None,
        model=asked.field("model") or None,
        unseen=bool(asked.field("unseen")),
        explain=bool(asked.field("explain")),
        submitter=f"desk, account {asked.user.number}",
        idempotency_key=f"desk {key}" if key else None,
    )


def _states(text: str) -> Sequence[JobState]:
    return [one_of(JobState, text, "state")] if text else tuple(JobState)


ROUTES = [
    page("/jobs", jobs),
    page("/jobs/new", new_job, Role.OPERATOR),
    action(
        "/jobs/new",
        enqueue,
        Role.OPERATOR,
        form=new_job,
        logged=(
            *("dataset", "provider", "concept", "unseen", "skip"),
            *("name", "model", "picture", "urgent", "explain", "look"),
        ),
        most=MOST_OF_LIST,
    ),
    action("/jobs/steer", steer_jobs, Role.OPERATOR, logged=("action", "job", "all", "state")),
    page("/jobs/{job}", job),
    page("/jobs/{job}/live", live),
    action("/jobs/{job}/retry", retry, Role.OPERATOR, logged=("reason",)),
]
