"""The two messages that a worker gets: a wake-up, and a list of record IDs from another system.

A wake-up says that there may be work, and nothing else. Every worker gets it, and asks the ledger
if it has a thread free. It is not kept for workers that are away. One that is lost costs some
seconds, until an idle worker asks by itself; one that comes a thousand times changes nothing.

Anyone who reaches the broker can send anything. A malformed message is logged and dropped: it does
not end the worker, and is not delivered again.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import structlog
from celery import Celery, Task
from celery.exceptions import Reject
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import Engine

from common import broker
from common.errors import BrokerError, EnrichmentError, InvalidRecordIdError, UsageError
from common.europeana.record_ids import parse_record_id
from common.messages import by_name, first_problem
from common.process.database_trouble import AWAY
from common.process.settings import BrokerSettings
from common.process.terminal.ages import parse_age
from common.store.tables import PictureChoice, Priority
from worker import jobs
from worker.jobs import JobOptions
from worker.jobs.models import MOST_MODELS
from worker.jobs.names import MAX_NAME
from worker.jobs.records import RejectedLines, leave_out_rejected

WAKE = "worker.wake"
SUBMIT = "worker.submit"
WAKE_EXCHANGE = "enrich.wake"
SUBMIT_QUEUE = "enrich.submit"
MAX_SUBMITTED = 100_000  # record IDs in one message
AGAIN_SECONDS = 10.0  # between two tries to accept a list while the database is away
log = structlog.get_logger()
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]
FROM_TEXT = Field(strict=False)  # an enum member is text in a message


def create_app(settings: BrokerSettings) -> Celery:
    """A Celery application on the broker of the settings, without tasks."""
    app = broker.create_app("worker", settings, (SUBMIT_QUEUE,), heard_by_all=WAKE_EXCHANGE)
    app.conf.task_routes = {SUBMIT: {"queue": SUBMIT_QUEUE}}
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


def register_tasks(app: Celery, engine: Engine, *, wake: Callable[[], None]) -> None:
    """Register the two tasks with the application; `wake` has this process ask the ledger."""

    @app.task(name=WAKE, at_once=True)
    def woken() -> None:
        wake()

    @app.task(
        name=SUBMIT,
        bind=True,
        acks_late=True,  # a list is not in the store before
        max_retries=None,
    )
    def submit(self: Task[Any, Any], /, *args: object, **kwargs: object) -> None:
        message = by_name(args, kwargs, Submission)
        if message.get("idempotency_key") is None:
            message["idempotency_key"] = f"message {self.request.id}"
        try:
            accepted = accept_submitted(engine, message)
        except AWAY as error:
            time.sleep(AGAIN_SECONDS)  # here, since a message for later would be kept in memory
            raise _again(self, error) from error
        if accepted:
            send_wake_up(app)


def _again(task: Task[Any, Any], error: Exception) -> Exception:
    """What has a message come again, also where the broker takes no new one: Celery would drop
    what it cannot send again, though the broker still has the message itself."""
    try:
        return task.retry(exc=error, countdown=0, throw=False)
    except Reject:
        return Reject(str(error), requeue=True)


def accept_submitted(engine: Engine, message: Mapping[str, object]) -> bool:
    """Make a job of the record IDs in a message; True if there is a new one. Problems are logged.

    A text that is no record ID is left out; after any other problem the message is dropped. A
    message that comes twice makes one job, because its ID is the idempotency key, unless it has
    another.

    Raises:
        DBAPIError: one of AWAY; the message is worth another try.
    """
    rejected = RejectedLines()
    try:
        submission = Submission.model_validate(message)
        options = JobOptions(**submission.model_dump(exclude={"record_ids"}))
        valid = leave_out_rejected(_valid(submission.record_ids, rejected), rejected)
        accepted = jobs.enqueue(engine, valid, options)
    except ValidationError as error:
        log.error("a submitted list was refused", error=first_problem(error))
    except EnrichmentError as error:
        log.error("a submitted list was refused", error=str(error))
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
        return not accepted.already_known
    return False


def _valid(texts: Sequence[str], rejected: RejectedLines) -> Iterator[str]:
    for number, text in enumerate(texts, start=1):
        try:
            yield parse_record_id(text)
        except InvalidRecordIdError as error:
            rejected.add(f"ID {number}", str(error))


def send_wake_up(app: Celery) -> None:
    """Have all workers that listen ask the ledger; if the broker is away, that is logged."""
    try:
        broker.send_to_all(app, WAKE)
    except (BrokerError, UsageError) as error:
        log.warning("idle workers were not woken; they look for work by themselves", why=str(error))
