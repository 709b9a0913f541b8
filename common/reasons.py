"""Why a record has no enrichment, or no picture: one table, the only place that says so.

A new reason is one more member of `Reason`. Its code is its name in lower case; it stands in the
store, in exports and in metrics, so it never changes. `docs/reference/reasons.md` is made from
this table.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

from common.errors import RecordError, TransientRecordError


class Stage(StrEnum):
    RESOLVE = "resolve"
    FETCH = "fetch"
    DECODE = "decode"
    CLASSIFY = "classify"
    WORKER = "worker"


class HostSignal(StrEnum):
    WELL = "well"  # it answered; a 404 is an answer
    COMPLAINT = "complaint"  # we ask too much: 429, or 408 or 5xx with Retry-After
    FAILURE = "failure"  # it did not answer, or is broken
    NOTHING = "nothing"  # it was not asked in the end


@dataclass(frozen=True)
class Retry:
    """When a harvest tries again: first after `seconds`, and `attempts` times in all.

    `counts` is whether such a failure uses up an attempt.
    """

    seconds: float
    attempts: int
    counts: bool = True


@dataclass(frozen=True)
class _Row:
    """`retry` is None where the failure is final."""

    stage: Stage
    retry: Retry | None
    signal: HostSignal
    meaning: str
    advice: str
    other_code: str = ""


_FINAL = None
_SOON = Retry(60, 6)  # the host has trouble, which often passes within the hour
_LATER = Retry(300, 8)  # it asks us to slow down: more patience
_UNASKED = Retry(300, 8, counts=False)
_AT_ONCE = Retry(0, 8, counts=False)  # we lost it: no fault of the record
_CUT = Retry(60, 3)  # most often the file itself is cut off
_DAYS = Retry(900, 5)  # names come back within days or not at all

_LINK = "The link is dead: tell the provider, or use --picture auto."
_FILE = "The file cannot be read: tell the provider, or use --picture auto."
_KIND = "We do not read this format: use --picture auto."
_ASK = "Ask the provider, or use --picture auto."
_WAIT = (
    "Workers try again by themselves. With `harvester`, run the same command again after the delay."
)
_GONE = "The host may be gone: if this stays, use --picture auto and tell the provider."
_BUSY = f"The host is overloaded: lower FETCH_REQUESTS_AT_A_TIME. {_WAIT}"
_OURS = "If the host is yours, add its network to FETCH_ALLOW_ADDRESSES."
_LIST = "Search the record at Europeana; if it does not exist, leave it out."

_R, _F, _D, _C, _W = Stage
_WELL, _COMPLAINT, _FAILURE, _NOTHING = HostSignal


class Reason(_Row, Enum):
    """Each: stage, retry, signal about the host, meaning, advice."""

    # the record
    UNKNOWN_RECORD = (_R, _FINAL, _WELL, "Europeana has no record with this ID", _LIST)
    DELETED = (_R, _FINAL, _WELL, "Europeana has deleted the record", _LIST)
    UNREADABLE_ANSWER = (
        *(_R, _FINAL, _WELL, "the Record API describes the record in a form that we do not know"),
        "Report it to the makers of this program.",
    )
    API_UNAVAILABLE = (_R, _SOON, _WELL, "the API does not answer, or its quota is used up", _WAIT)
    NO_PICTURE = (
        *(_R, _FINAL, _WELL, "the record has no file or thumbnail, or not the chosen kind"),
        "Nothing to fetch: use --picture auto, or leave these records out.",
    )
    # the URL
    INVALID_URL = (
        *(_F, _FINAL, _WELL, "no host, a wrong host or port, a number as host, or a user name"),
        "The record's link is malformed: tell the provider.",
    )
    UNSUPPORTED_SCHEME = (
        *(_F, _FINAL, _WELL, "not an http or https URL: ftp, file, data, or other text"),
        "The record's link is not a web link: tell the provider.",
    )
    ADDRESS_REFUSED = (
        *(_F, _FINAL, _NOTHING, "the address is not public and not allowed; checked in each run"),
        f"The link leads into a private network. {_OURS}",
    )
    PORT_REFUSED = (
        *(_F, _FINAL, _NOTHING, "an unusual port of a public address; checked again in each run"),
        f"Only ports 80, 443, 8080 and 8443 are allowed. {_OURS}",
    )
    # the way there
    DNS = (_F, _DAYS, _FAILURE, "the DNS does not find the host, or not in time", _GONE)
    CONNECT = (_F, _SOON, _FAILURE, "no address of the host accepts a connection in time", _GONE)
    TLS = (
        *(_F, _FINAL, _FAILURE, "the certificate or the encryption is not acceptable"),
        "The certificate is not valid: tell the provider, or use --picture auto.",
    )
    CONNECTION_LOST = (_F, _SOON, _FAILURE, "the host closed the connection too early", _WAIT)
    BAD_RESPONSE = (
        *(_F, _FINAL, _FAILURE, "the answer is not HTTP"),
        "The host does not speak HTTP: tell the provider.",
    )
    TOO_MANY_REDIRECTS = (_F, _FINAL, _WELL, "a loop, or a chain of more than five", _LINK)
    HOST_UNAVAILABLE = (
        *(_F, _UNASKED, _WELL, "not requested, because the host just failed or asked us to wait"),
        f"The host failed or asked us to wait, so these pictures were not requested. {_WAIT}",
    )
    HOST_SLOW = (
        *(_F, _UNASKED, _WELL, "too slow: the other pictures of the chunk came much earlier"),
        _WAIT,
    )
    CANCELLED = (_F, _SOON, _NOTHING, "the run was stopped", _WAIT)
    # the status
    NOT_FOUND = (_F, _FINAL, _WELL, "the host has no such file: 404, 410", _LINK)
    FORBIDDEN = (
        *(_F, _FINAL, _WELL, "the host refuses to send the file: 401, 403, 451"),
        "The host refuses us: ask the provider to allow our User-Agent, or use --picture auto.",
    )
    RATE_LIMITED = (
        *(_F, _LATER, _COMPLAINT, "the host got too many requests: 429"),
        f"Lower FETCH_REQUESTS_PER_SECOND, or agree on a rate with the provider. {_WAIT}",
    )
    HTTP_4XX = (_F, _FINAL, _WELL, "the host refuses the request: any other 4xx", _ASK)
    SERVER_ERROR = (
        *(_F, _SOON, _FAILURE, "the server of the host fails: 5xx"),
        f"The host's server fails: if this stays, tell the provider. {_WAIT}",
    )
    UNEXPECTED_STATUS = (_F, _FINAL, _WELL, "the answer is not 200, a redirect, 4xx or 5xx", _ASK)
    # the body
    TIMEOUT = (
        _F,
        Retry(300, 5),
        _FAILURE,
        "no bytes arrived, or the time limit was reached",
        _BUSY,
    )
    TOO_SLOW = (_F, Retry(300, 4), _FAILURE, "slower than the minimum rate", _BUSY)
    TOO_LARGE = (
        _F,
        _FINAL,
        _WELL,
        "more bytes than the limit",
        "Above 100 MB: use --picture auto.",
    )
    TRUNCATED = (_F, _CUT, _WELL, "the connection ended before the announced length", _FILE)
    ENCODING_REFUSED = (
        *(_F, _FINAL, _WELL, "compressed although we asked for plain bytes: a mistake, or harmful"),
        "The host compresses pictures: tell the provider, or use --picture auto.",
    )
    EMPTY = (_F, _FINAL, _WELL, "the file is empty", _FILE)
    # what the bytes are, whatever the header says
    NOT_AN_IMAGE_HTML = (
        *(_F, _FINAL, _WELL, "a web page with status 200: log-in, error, viewer"),
        "The link leads to a web page, not to the file: tell the provider, or use --picture auto.",
    )
    NOT_AN_IMAGE_PDF = (_F, _FINAL, _WELL, "a PDF", "The link leads to a PDF: use --picture auto.")
    NOT_AN_IMAGE_XML = (_F, _FINAL, _WELL, "an error document or metadata, in XML", _LINK)
    NOT_AN_IMAGE_JSON = (_F, _FINAL, _WELL, "an error document or metadata, in JSON", _LINK)
    NOT_AN_IMAGE = (_F, _FINAL, _WELL, "an unknown kind of file", _LINK)
    UNSUPPORTED_IMAGE = (_F, _FINAL, _WELL, "a format that we do not read: SVG, AVIF, PSD", _KIND)
    # the picture
    TOO_MANY_PIXELS = (
        *(_D, _FINAL, _WELL, "the header of the file announces more pixels than the limit"),
        "Too large to decode: use --picture auto.",
    )
    TRUNCATED_FILE = (_D, _FINAL, _WELL, "the end of the file is missing", _FILE, "truncated")
    DAMAGED = (_D, _FINAL, _WELL, "the content of the file is damaged", _FILE)
    UNSUPPORTED_PIXELS = (
        _D,
        _FINAL,
        _WELL,
        "an unusual kind of pixels",
        _KIND,
        "unsupported_image",
    )
    OUT_OF_MEMORY = (
        *(_D, Retry(3600, 3), _WELL, "this machine had no memory left"),
        f"Give the process more memory. {_WAIT}",
    )
    TOO_MUCH_MEMORY = (
        *(_D, _FINAL, _WELL, "decoding needs more memory than a large picture may take"),
        "Too large to decode: use --picture auto.",
    )
    DECODING_TOO_LONG = (
        *(_D, _FINAL, _WELL, "decoding takes much longer than its size explains"),
        "The file keeps decoders busy, by mistake or on purpose: use --picture auto.",
    )
    DECODER_CRASHED = (
        *(_D, _FINAL, _WELL, "the decoder crashed at this picture"),
        "The file crashes decoders, by mistake or on purpose: use --picture auto.",
    )
    PLACEHOLDER = (
        *(_D, _FINAL, _WELL, "a placeholder: the host sends the same file for many records"),
        "The host lacks these pictures: tell the provider, or see `harvester placeholders`.",
    )
    VANISHED = (
        *(_D, _AT_ONCE, _WELL, "the picture was stored, but its file was removed"),
        "Files were removed from IMAGE_DIR. Run `harvester images` again to fetch the pictures.",
    )
    # the model, and the worker
    RUNTIME_FAILED = (
        *(_C, _FINAL, _WELL, "the runtime fails at this picture only"),
        "Look at the picture, or try another WORKER_RUNTIME.",
    )
    KILLED_WORKER = (
        *(_W, _FINAL, _WELL, "three workers crashed or stopped at this record"),
        "Look at the worker's log and at the picture before you run `worker retry`.",
    )

    @property
    def code(self) -> str:
        """How the store, exports and metrics name it; two stages may share a code."""
        return self.other_code or self.name.lower()

    @property
    def passes(self) -> bool:
        return self.retry is not None

    def error(self, detail: str, *, retry_after: float | None = None) -> RecordError:
        """The error to raise; `detail` is for people and must not hold a query or a user name.

        Args:
            retry_after: seconds that the other side asked us to wait.
        """
        if self.passes:
            return TransientRecordError(self.stage, self.code, detail, retry_after=retry_after)
        return RecordError(self.stage, self.code, detail)

    @classmethod
    def of(cls, error: RecordError) -> "Reason":
        return _BY_STAGE_AND_CODE[error.stage, error.reason]

    @classmethod
    def of_code(cls, code: str) -> "Reason":
        """The first reason with this code, for where the stage is not known."""
        return _BY_CODE[code]


_BY_STAGE_AND_CODE = {(str(reason.stage), reason.code): reason for reason in Reason}
_BY_CODE = {reason.code: reason for reason in reversed(Reason)}  # so the first of a code stays


def may_pass(code: str) -> bool:
    """Whether a failure with this code may pass with time; False for an unknown code."""
    reason = _BY_CODE.get(code)
    return reason is None or reason.passes


def meaning_of(code: str) -> str:
    """What a code means, of each stage that has it; empty for an unknown one."""
    return "; or ".join(reason.meaning for reason in Reason if reason.code == code)


def signal_of(error: RecordError | None) -> HostSignal:
    if error is None:
        return HostSignal.WELL
    if retry_after_of(error) is not None:
        return HostSignal.COMPLAINT
    return Reason.of(error).signal


def retry_after_of(error: RecordError | None) -> float | None:
    return error.retry_after if isinstance(error, TransientRecordError) else None
