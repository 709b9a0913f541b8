"""What the messages mean: a hint at a chunk, and a list of record IDs from another system."""

from typing import Annotated, Any
from uuid import UUID

import structlog
from celery import Celery, Task
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import Engine

from common.errors import EnrichmentError
from common.europeana.record_id import parse_record_id
from worker import jobs
from worker.app import RUN_CHUNK, SUBMIT, queue_of
from worker.dispatcher import Hint
from worker.service import EnrichmentService

MAX_SUBMITTED = 100_000  # record IDs in one message

log = structlog.get_logger()

_RecordIds = TypeAdapter(Annotated[list[str], Field(min_length=1, max_length=MAX_SUBMITTED)])


def register_tasks(app: Celery, service: EnrichmentService, engine: Engine) -> None:
    """Give the application its two tasks."""

    @app.task(name=RUN_CHUNK)
    def run_chunk(job_id: str, number: int) -> None:
        service.run_chunk(UUID(job_id), number)

    @app.task(name=SUBMIT, bind=True)
    def submit(
        self: Task[Any, Any], record_ids: list[str], idempotency_key: str | None = None
    ) -> None:
        accept_submitted(engine, record_ids, idempotency_key or f"message {self.request.id}")


def accept_submitted(engine: Engine, record_ids: object, idempotency_key: str) -> None:
    """Make a job of the record IDs in a message, or say in the log why not.

    A message that comes twice makes one job, since its ID is the idempotency key.
    """
    try:
        listed = _RecordIds.validate_python(record_ids, strict=True)
        accepted = jobs.enqueue(
            engine, map(parse_record_id, listed), idempotency_key=idempotency_key
        )
    except (EnrichmentError, ValidationError) as error:
        log.error("submission refused", key=idempotency_key, error=str(error))
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
