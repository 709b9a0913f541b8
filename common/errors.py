"""Every error the product raises, sorted by what the caller does about it.

EnrichmentError                 the command fails: exit code 1
├── UsageError                  what was typed, given or configured is wrong: exit code 2
│   ├── InvalidRecordIdError
│   └── VocabularyError
├── StoreError                  Postgres is unreachable, not migrated, or refuses
├── ApiError                    a Europeana API is unreachable or answers what it should not
│   ├── UnreachableError
│   ├── UnknownFormError
│   ├── CursorRefusedError
│   ├── KeyRefusedError
│   └── RateLimitedError
├── BrokerError                 the message broker is unreachable
├── DatasetError                training data cannot be trained on
├── ModelError                  a checkpoint or a model is missing, damaged or not trusted
├── AccessError                 the desk refuses who asks; nothing was done
│   ├── LoginRefusedError
│   │   └── TooManyLoginsError
│   └── ForgedRequestError
├── DeviceError                 what computes probabilities is broken; only a new process may go on
└── RecordError                 one record cannot go on; its neighbours do
    └── TransientRecordError    ... now, but perhaps later
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError


class EnrichmentError(Exception):
    """The command cannot be carried out; the message is written for its user."""

    exit_code = 1


class UsageError(EnrichmentError):
    """An argument, an input file or a setting is wrong; trying again does not help.

    `field` names the part of a form that is to blame, where one is.
    """

    exit_code = 2

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """What is wrong inside is the fault of this part of a form, unless the error says otherwise."""
    try:
        yield
    except UsageError as error:
        error.field = error.field or field
        raise


class KeyReusedError(UsageError):
    """An idempotency key came again, with another request."""


class UnknownModelError(UsageError):
    """There is no model of this name and version."""


class InvalidRecordIdError(UsageError):
    """A text that is neither a record ID, an item URI nor a portal URL."""


class VocabularyError(UsageError):
    """A vocabulary file that does not map labels to concept URIs."""


class StoreError(EnrichmentError):
    """Postgres is unreachable, not migrated, or refuses what was asked."""


class ApiError(EnrichmentError):
    """A Europeana API is unreachable or answers what it should not."""


class UnreachableError(ApiError):
    """The API's host does not answer, or only with server errors."""


class UnknownFormError(ApiError):
    """An answer of another form than we know; the message names what is missing or different."""


class CursorRefusedError(ApiError):
    """A cursor to go on from is not, or no longer, accepted (code 400-SC)."""


class KeyRefusedError(ApiError):
    """The API key is missing, unknown or disabled."""


class RateLimitedError(ApiError):
    """The key's quota is used up, for longer than we are willing to wait: `seconds`."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class BrokerError(EnrichmentError):
    """The message broker is unreachable."""


class DatasetError(EnrichmentError):
    """The training data has too little, or nothing, to train on."""


class ModelError(EnrichmentError):
    """A checkpoint or a model is missing, damaged or not trusted."""


class AccessError(EnrichmentError):
    """The desk does not do it for who asks."""


class LoginRefusedError(AccessError):
    """The login failed; the message says no more than a stranger may know."""


class TooManyLoginsError(LoginRefusedError):
    """Too many logins failed; another one may be tried in `seconds`."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class TooManyRequestsError(AccessError):
    """A token has made all its requests of this minute; the next ones are allowed in `seconds`."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class ForgedRequestError(AccessError):
    """A request that no page of ours made, or a page that is too old."""


class DeviceError(EnrichmentError):
    """The device, or the runtime on it, failed. No picture is to blame, and the process is at its
    end: an error of CUDA, for one, fails all that the process asks of the device from then on."""


class RecordError(EnrichmentError):
    """One record cannot go on, for good: `reason` is a stable code, `detail` is for people.

    `stage` is where it happened: resolve, fetch, decode or classify.
    """

    def __init__(self, stage: str, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.stage = stage
        self.reason = reason
        self.detail = detail


class TransientRecordError(RecordError):
    """One record cannot go on now; `retry_after` is what the other side asked for, in seconds."""

    def __init__(
        self, stage: str, reason: str, detail: str = "", *, retry_after: float | None = None
    ) -> None:
        super().__init__(stage, reason, detail)
        self.retry_after = retry_after


def cause(error: "DBAPIError") -> str:
    """The first line of what Postgres said, which holds no credentials and no parameters."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error).__name__
