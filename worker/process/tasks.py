"""The queues of the worker, and its two messages: a hint at a chunk, and a list of record IDs.

Anyone who reaches the broker can send anything. A malformed message is logged and dropped: it does
not end the worker, and is not delivered again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import structlog
from celery import Celery, Task
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from common import broker
from common.errors import EnrichmentError, InvalidRecordIdError
from common.europeana.record_ids import parse_record_id
from common.messages import by_name, first_problem
from common.process.settings import BrokerSettings
from common.store.tables import PictureChoice, Priority
from worker import jobs
from worker.jobs import JobOptions
from worker.jobs.ages import parse_age
from worker.jobs.models import MOST_MODELS
from worker.jobs.names import MAX_NAME
from worker.jobs.records import RejectedLines
from worker.ledger.dispatch import Hint

if TYPE_CHECKING:  # it loads torch, which those who only send do not need
    from worker.process.service import EnrichmentService

RUN_CHUNK = "worker.run_chunk"
SUBMIT = "worker.submit"
URGENT_QUEUE = "enrich.urgent"
BULK_QUEUE = "enrich.bulk"
SUBMIT_QUEUE = "enrich.submit"
MAX_SUBMITTED = 100_000  # record IDs in one message
MAX_CHUNK_NUMBER = 2**31 - 1  # the maximum of its column
LONGEST_WAIT = 60  # seconds between two tries to accept a list while the database is away
log = structlog.get_logger()
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]
FROM_TEXT = Field(strict=False)  # an enum member is text in a message


def queue_of(priority: Priority) -> str:
    """The queue for hints of a job of this priority."""
    return URGENT_QUEUE if priority is Priority.URGENT else BULK_QUEUE


def create_app(settings: BrokerSettings) -> Celery:
    """A Celery application on the broker of the settings, without tasks."""
    app = broker.create_app("worker", settings, (URGENT_QUEUE, BULK_QUEUE, SUBMIT_QUEUE))
    app.conf.update(task_routes={SUBMIT: {"queue": SUBMIT_QUEUE}}, task_acks_late=True)
    return app


def _age(value: object) -> timedelta:
    if not isinstance(value, str):
        raise ValueError("is no text such as 30d or 12h")  # noqa: TRY004 - pydantic wants this one
    return parse_age(value)


class Submission(BaseModel):
    """A message from another system: record IDs in any accepted form, and options of the job."""

    model_config = ConfigDict(strict=True, extra="forbid")

    record_ids: list[str] = Field(min_length=1, max_length=MAX_SUBMITTED)
    idempotency_key: Name
    submitter: Name | None = None
    priority: Annotated[Priority, FROM_TEXT] = Priority.BULK
    picture: Annotated[PictureChoice, FROM_TEXT] | None = None
    explain: bool = False
    model: Name | Annotated[list[Name], Field(min_length=1, max_length=MOST_MODELS)] | None = None
    look_again: bool = False
    max_age: Annotated[timedelta, BeforeValidator(_age)] | None = None


class _ChunkName(BaseModel):
    job_id: UUID
    number: Annotated[int, Field(ge=1, le=MAX_CHUNK_NUMBER)]


def register_tasks(app: Celery, service: "EnrichmentService", engine: Engine) -> None:
    """Register the two tasks with the application."""

    @app.task(name=RUN_CHUNK)
    def run_chunk(*args: object, **kwargs: object) -> None:
        try:
            chunk = _ChunkName.model_validate(by_name(args, kwargs, _ChunkName))
        except ValidationError as error:
            log.error("a message was refused: it is no hint", error=first_problem(error))
            return
        service.run_chunk(chunk.job_id, chunk.number)

    @app.task(
        name=SUBMIT,
        bind=True,
        autoretry_for=(OperationalError,),
        retry_backoff=True,
        retry_backoff_max=LONGEST_WAIT,
        max_retries=None,
    )
    def submit(self: Task[Any, Any], /, *args: object, **kwargs: object) -> None:
        message = by_name(args, kwargs, Submission)
        if message.get("idempotency_key") is None:
            message["idempotency_key"] = f"message {self.request.id}"
        accept_submitted(engine, message)


def accept_submitted(engine: Engine, message: Mapping[str, object]) -> None:
    """Make a job of the record IDs in a message; problems are logged.

    A text that is no record ID is left out; after any other problem the message is dropped. A
    message that comes twice makes one job, because its ID is the idempotency key, unless it has
    another.

    Raises:
        OperationalError: the database is away; the message is worth another try.
    """
    rejected = RejectedLines()
    try:
        submission = Submission.model_validate(message)
        options = JobOptions(**submission.model_dump(exclude={"record_ids"}))
        accepted = jobs.enqueue(engine, _valid(submission.record_ids, rejected), options)
    except ValidationError as error:
        log.error("a submitted list was refused", error=first_problem(error))
    except EnrichmentError as error:
        log.error("a submitted list was refused", error=str(error), rejected=str(rejected))
    else:
        if accepted.already_known:
            state = str(accepted.state)
            log.info("a job has this key: nothing was added", job=str(accepted.job_id), state=state)
        else:
            log.info("job accepted", job=str(accepted.job_id), records=accepted.total)
        if rejected.count:
            log.warning(
                "texts that are no record IDs were left out",
                count=rejected.count,
                first=rejected.first,
            )


def _valid(texts: Sequence[str], rejected: RejectedLines) -> Iterator[str]:
    for number, text in enumerate(texts, start=1):
        try:
            yield parse_record_id(text)
        except InvalidRecordIdError as error:
            rejected.add(f"ID {number}", str(error))


def send_hint(app: Celery, hint: Hint, *, hint_seconds: float) -> None:
    """Send a hint to the queue of its priority; it expires after `hint_seconds`."""
    app.send_task(
        RUN_CHUNK,
        args=[str(hint.job_id), hint.number],
        queue=queue_of(hint.priority),
        expires=hint_seconds,
    )
