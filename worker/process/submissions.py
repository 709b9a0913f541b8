"""A list of record IDs from another system: its form, and how it becomes a job.

A system that reaches the broker can send anything. What is not of this form is logged and dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import Engine

from common.broker.arguments import first_problem
from common.errors import EnrichmentError, InvalidRecordIdError
from common.europeana.record_ids import parse_record_id
from common.process.foreign_text import CONTROLS, visible
from common.process.terminal.ages import parse_age
from common.store.tables import PictureChoice, Priority
from worker import jobs
from worker.jobs import JobOptions
from worker.jobs.model_choice import ONE_MODEL
from worker.jobs.names import MAX_NAME
from worker.jobs.records import RejectedLines, leave_out_rejected

MAX_SUBMITTED = 100_000  # record IDs in one message
log = structlog.get_logger()
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=rf"^[^{CONTROLS}]*$")]
FROM_TEXT = Field(strict=False)  # an enum member is text in a message


def _age(value: object) -> timedelta:
    if not isinstance(value, str):
        raise ValueError("is not a text such as 30d or 12h")  # noqa: TRY004 - pydantic wants this one
    return parse_age(value)


def _one_model(value: object) -> object:
    if isinstance(value, list):
        raise ValueError(f"is a list. {ONE_MODEL}")  # noqa: TRY004 - pydantic wants this one
    return value


class Submission(BaseModel):
    """A message from another system: record IDs in any accepted form, and options of the job."""

    model_config = ConfigDict(strict=True, extra="forbid")

    record_ids: list[str] = Field(min_length=1, max_length=MAX_SUBMITTED)
    idempotency_key: Name
    submitter: Name | None = None
    priority: Annotated[Priority, FROM_TEXT] = Priority.BULK
    picture: Annotated[PictureChoice, FROM_TEXT] | None = None
    explain: bool = False
    model: Annotated[Name | None, BeforeValidator(_one_model)] = None
    look_again: bool = False
    max_age: Annotated[timedelta, BeforeValidator(_age)] | None = None


def accept_submitted(engine: Engine, message: Mapping[str, object]) -> bool:
    """Make a job of the record IDs in a message; True if there is a new one. Problems are logged.

    A text that is not a record ID is left out; after any other problem the message is dropped. A
    message that comes twice makes one job, because its ID is the idempotency key, unless it has
    another.

    Raises:
        DBAPIError: one of AWAY; the message is worth another try.
    """
    rejected = RejectedLines()
    key = message.get("idempotency_key")  # by which its sender knows it
    known = log.bind(key=visible(key[:MAX_NAME]) if isinstance(key, str) else None)
    try:
        submission = Submission.model_validate(message)
        options = JobOptions(**submission.model_dump(exclude={"record_ids"}))
        valid = leave_out_rejected(_valid(submission.record_ids, rejected), rejected)
        accepted = jobs.enqueue(engine, valid, options)
    except ValidationError as error:
        known.error("a submitted list was refused", error=first_problem(error))
    except EnrichmentError as error:
        known.error("a submitted list was refused", error=str(error))
    else:
        if accepted.already_known:
            state = str(accepted.state)
            log.info("a job has this key: nothing was added", job=str(accepted.job_id), state=state)
        else:
            log.info("job accepted", job=str(accepted.job_id), records=accepted.total)
        if rejected.count:
            log.warning(
                "texts that are not record IDs were left out",
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
