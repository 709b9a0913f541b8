"""Messages of strangers: whoever reaches the broker can send anything.

A message is checked before Celery builds a request from it. A malformed one is logged, counted and
put aside; it ends no worker and does not come back. Compressed bodies are refused, since a small
one may be huge when unpacked. A message may not ask for another one to be sent: Celery would obey
one that names a task of its own, or that asks for it in a header. So tasks are ours alone, and
Celery is given the headers that were checked and no others. Nor is it given the time for which a
message is: while it keeps as many for later as it may, it reads no others.
"""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn

import structlog
from celery.worker.consumer import Consumer
from kombu import compression
from kombu.message import Message
from prometheus_client import Counter
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from common.process.wrong_values import field_path, in_words
from common.store.refused_messages import RefusedMessages

MAX_BODY = 32 << 20  # bytes; 100,000 record IDs take six million
MAX_PARTS = 500_000  # values, roughly; an empty list takes two bytes here, and 64 once it is read
MAX_NAME = 255  # characters
MAX_RETRIES = 100_000  # Celery raises two to this power
SOON = timedelta(minutes=2)  # a message for a time until then is for now
FIRST_YEAR, LAST_YEAR = 2000, 9000  # at the ends of the calendar Celery's arithmetic overflows
PAUSE = 2.0  # seconds, until a broker that refused is asked again
_SHOWN = 200  # characters of a problem
REFUSED = Counter("broker_messages_refused", "Messages of the broker that were not of our form")
_PLACE = re.compile(r"\w[\w ]{0,39}", re.ASCII)
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)

put_aside = RefusedMessages()
"""Those that this process refused, until somebody writes them."""

log = structlog.get_logger()

_Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]
_Seconds = Annotated[float, Field(ge=0)]


class MalformedMessageError(Exception):
    """A message that is not of the form that our senders give it."""


def _is_of_our_time(time: datetime) -> datetime:
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise ValueError(f"is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    return time


def _is_soon(time: datetime) -> datetime:
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    if aware > datetime.now(UTC) + SOON:
        raise ValueError(f"is more than {SOON.seconds} seconds from now")
    return time


_Time = Annotated[datetime, Field(strict=False), AfterValidator(_is_of_our_time)]


class _Headers(BaseModel):
    """The headers of a task message that Celery may act on; it is not given others.

    https://docs.celeryq.dev/en/stable/internals/protocol.html
    """

    model_config = ConfigDict(strict=True, extra="ignore")

    task: _Name
    id: _Name
    root_id: _Name | None = None
    parent_id: _Name | None = None
    group: None = None
    compression: None = None
    retries: Annotated[int, Field(ge=0, le=MAX_RETRIES)] | None = 0
    timelimit: tuple[_Seconds | None, _Seconds | None] | None = None
    eta: Annotated[_Time, AfterValidator(_is_soon)] | None = None
    expires: _Time | None = None


class _Continuation(BaseModel):
    """What a message may ask to be sent after it: nothing. Celery takes others for headers."""

    model_config = ConfigDict(strict=True, extra="forbid")

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


# The body of a task message: arguments, named arguments, and the continuation.
_BODY = TypeAdapter(tuple[list[Any], dict[str, Any], _Continuation | None])


def check_message(message: Message) -> dict[str, Any]:
    """Make sure that a message is of the form that our senders give it.

    Returns:
        The headers that Celery may act on.

    Raises:
        MalformedMessageError: it is not; says what is wrong without the input.
    """
    if (message.content_type, message.content_encoding) != ("application/json", "utf-8"):
        raise MalformedMessageError("the content is not JSON in UTF-8")
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    if len(body) > MAX_BODY:
        raise MalformedMessageError(f"the body has more than {MAX_BODY >> 20} MiB")
    check_parts(body)
    try:
        headers = _Headers.model_validate_json(json.dumps(message.headers))
        _, named, _ = _BODY.validate_json(body, strict=True)
        json.loads(body, object_hook=refuse_types)
    except ValidationError as error:
        raise MalformedMessageError(first_problem(error)) from error
    except UNREADABLE as error:
        raise MalformedMessageError(f"it cannot be read: {type(error).__name__}") from error
    if "self" in named:
        raise MalformedMessageError("an argument is named self, as the task itself is")
    return headers.model_dump(exclude_unset=True, exclude={"eta"})


def check_parts(text: bytes) -> None:
    """Make sure that JSON is not of so many values that reading it takes hundreds of megabytes.

    Raises:
        MalformedMessageError: it is.
    """
    if sum(map(text.count, (b"[", b"{", b","))) > MAX_PARTS:
        raise MalformedMessageError(f"it has more than {MAX_PARTS:,} values")


def refuse_types(value: dict[str, object]) -> dict[str, object]:
    """See `json.loads`. Kombu makes other types of such values, and errors of malformed ones are
    raised where nobody puts the message aside."""
    if "__type__" in value:
        raise MalformedMessageError("a value has a type that is not of JSON")
    return value


def refused(problem: Exception | str, body: object, *, queue: object, headers: object) -> None:
    """Say that a message was refused, count it, and put it aside.

    Args:
        problem: in our words. Errors of libraries quote what they cannot read, so only their names
            are told.
    """
    REFUSED.inc()
    if isinstance(problem, Exception) and not isinstance(problem, MalformedMessageError):
        problem = f"it cannot be read: {type(problem).__name__}"
    told = str(problem)[:_SHOWN]
    log.error("message refused", problem=told)
    content = body if isinstance(body, bytes) else str(body or "").encode(errors="replace")
    put_aside.add(content, problem=told, queue=queue, headers=headers)


class CheckedConsumer(Consumer):
    """A Celery consumer that checks each message before it makes a request of it.

    A task that is registered with `at_once=True` takes no time, and no arguments. It is run as its
    message comes, whatever else is in work, and nothing is kept of the message.
    """

    strategies: dict[str, Any]  # of each task, by its name

    def update_strategies(self) -> None:
        """See Celery; messages reach the tasks that bear the application's name, none of Celery's.

        Celery's own tasks send messages on, to whatever queue they are told to.
        """
        super().update_strategies()
        for name in list(self.strategies):
            if not name.startswith(f"{self.app.main}."):
                del self.strategies[name]

    def create_task_handler(self, *arguments: Any, **named: Any) -> Callable[[Message], None]:
        """See Celery; the handler puts aside what is malformed, or no task of this worker."""
        handle = super().create_task_handler(*arguments, **named)

        def handle_checked(message: Message) -> None:
            try:
                headers = check_message(message)
            except MalformedMessageError as error:
                self._put_aside(message, error)
                return
            if headers["task"] not in self.strategies:
                self._put_aside(message, "no task of this worker has its name")
                return
            task = self.app.tasks[headers["task"]]
            if getattr(task, "at_once", False):
                task()
                self._acknowledge(message)
                return
            message.headers, message.properties = headers, {}
            handle(message)

        return handle_checked

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """See Celery. The broker is there and refuses, such as one that only reads; Celery would
        ask again at once."""
        super().on_connection_error_before_connected(exc)
        time.sleep(PAUSE)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """See Celery; the body could not be read, or is compressed."""
        self._put_aside(message, exc)

    def _put_aside(self, message: Message, problem: Exception | str) -> None:
        queue = message.delivery_info.get("routing_key")
        refused(problem, message.body, queue=queue, headers=message.headers)
        self._acknowledge(message)

    def _acknowledge(self, message: Message) -> None:
        message.ack_log_error(log, self.connection_errors)  # type: ignore[attr-defined]  # a stub


def refuse_compression() -> None:
    """Have kombu unpack no body in this process."""
    for content_type in list(compression.encoders()):
        compression.register(_refuse, _refuse, content_type)


def _refuse(_: bytes) -> NoReturn:
    raise MalformedMessageError("compressed bodies are refused")


def by_name(
    args: tuple[object, ...], kwargs: dict[str, object], model: type[BaseModel]
) -> dict[str, object]:
    """Arguments by the names of the model's fields; surplus ones by names that it refuses."""
    names = [*model.model_fields, *(f"argument {place}" for place in range(len(args)))]
    return dict(zip(names, args, strict=False)) | kwargs


def first_problem(error: ValidationError) -> str:
    """What is wrong, without the input: it may be long, and is a stranger's.

    A name that we do not know is told if it looks like one.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    place = (part if _PLACE.fullmatch(part) else "(a name)" for part in map(str, problem["loc"]))
    return f"{field_path(tuple(place))}: {in_words(problem)}"
