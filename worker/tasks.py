"""What the messages mean: a hint at a chunk, and a list of record IDs from another system."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, Task
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Engine

from common.errors import EnrichmentError
from common.europeana.record_id import parse_record_id
from worker import jobs
from worker.app import RUN_CHUNK, SUBMIT, queue_of
from worker.dispatcher import Hint
from worker.jobs import JobOptions
from worker.service import EnrichmentService

MAX_SUBMITTED = 100_000  # record IDs in one message

log = structlog.get_logger()


class Submission(BaseModel):
    """What another system sends: record IDs in any accepted form, and optionally who it is."""

    model_config = ConfigDict(strict=True)

    record_ids: list[str] = Field(min_length=1, max_length=MAX_SUBMITTED)
    idempotency_key: str = Field(max_length=200)
    submitter: str | None = Field(max_length=200)


def register_tasks(app: Celery, service: EnrichmentService, engine: Engine) -> None:
    """Give the application its two tasks."""

    @app.task(name=RUN_CHUNK)
    def run_chunk(job_id: str, number: int) -> None:
        service.run_chunk(UUID(job_id), number)

    @app.task(name=SUBMIT, bind=True)
    def submit(
        self: Task[Any, Any],
        record_ids: list[str],
        idempotency_key: str | None = None,
        submitter: str | None = None,
    ) -> None:
        message = {
            "record_ids": record_ids,
            "idempotency_key": idempotency_key or f"message {self.request.id}",
            "submitter": submitter,
        }
        accept_submitted(engine, message)


def accept_submitted(engine: Engine, message: Mapping[str, object]) -> None:
    """Make a job of the record IDs in a message, or say in the log why not.

    A message that comes twice makes one job: its ID is the idempotency key, unless it has one.
    """
    try:
        submission = Submission.model_validate(message)
        options = JobOptions(
            idempotency_key=submission.idempotency_key, submitter=submission.submitter
        )
        accepted = jobs.enqueue(engine, map(parse_record_id, submission.record_ids), options)
    except (EnrichmentError, ValidationError) as error:
        log.error("submission refused", key=message["idempotency_key"], error=str(error))
        return
    log.info("job accepted", job=str(accepted.job_id), records=accepted.total)


def send_hint(app: Celery, hint: Hint, *, hint_seconds: float) -> None:
    """Put a hint on the queue of its priority; it expires when it would be sent again."""
    app.send_task(
        RUN_CHUNK,
        args=[str(hint.job_id), hint.number],
        queue=queue_of(hint.priority),
        expires=hint_seconds,
    )
