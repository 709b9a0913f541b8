"""What an HTTP answer means for a picture."""

import email.utils
import http.client
import ssl
from datetime import UTC, datetime

from common.errors import RecordError
from common.reasons import FetchReason, fetch_error

REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRY_AFTER_CAP = 3600.0  # seconds; some hosts ask for days

_STATUS_REASONS = {
    401: FetchReason.FORBIDDEN,
    403: FetchReason.FORBIDDEN,
    404: FetchReason.NOT_FOUND,
    408: FetchReason.TIMEOUT,
    410: FetchReason.NOT_FOUND,
    429: FetchReason.RATE_LIMITED,
    451: FetchReason.FORBIDDEN,
}
_BREAKS = {
    FetchReason.BAD_RESPONSE: "the answer is not HTTP",
    FetchReason.CONNECTION_LOST: "the connection broke off",
    FetchReason.TLS: "the certificate or the encryption is not acceptable",
    FetchReason.TRUNCATED: "the body is shorter than announced",
}


def redirect_location(status: int, headers: http.client.HTTPMessage) -> str | None:
    """Where a redirect leads; None when the answer is no redirect."""
    location = headers.get("Location")
    if status not in REDIRECTS or not location:
        return None
    try:
        return location.encode("latin-1").decode()  # http.client reads all headers as Latin-1
    except UnicodeError:
        return location


def status_error(status: int, headers: http.client.HTTPMessage) -> RecordError:
    """The error that a status other than 200 and the redirects stands for."""
    reason = _STATUS_REASONS.get(status, FetchReason.UNEXPECTED_STATUS)
    if reason is FetchReason.UNEXPECTED_STATUS and 400 <= status < 600:
        reason = FetchReason.HTTP_4XX if status < 500 else FetchReason.SERVER_ERROR
    retry_after = retry_after_seconds(headers.get("Retry-After", ""))
    return fetch_error(reason, f"status {status}", retry_after=retry_after)


def retry_after_seconds(text: str) -> float | None:
    """Seconds that the host asks us to wait, capped; it may write a number or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_CAP)
    try:
        until = email.utils.parsedate_to_datetime(text)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = (until - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), RETRY_AFTER_CAP)


def refuse_encodings(headers: http.client.HTTPMessage) -> None:
    """We asked for plain bytes; a compressed body is as likely a bomb as a mistake."""
    content = headers.get("Content-Encoding", "").strip().lower()
    transfer = headers.get("Transfer-Encoding", "").strip().lower()
    if content not in ("", "identity") or transfer not in ("", "identity", "chunked"):
        raise fetch_error(FetchReason.ENCODING_REFUSED, "the body is compressed")


def refuse_two_lengths(headers: http.client.HTTPMessage) -> None:
    """Nobody knows where a body ends that announces two different lengths."""
    if len(set(headers.get_all("Content-Length", []))) > 1:
        raise fetch_error(FetchReason.BAD_RESPONSE, "two lengths are announced")


def refuse_shortness(response: http.client.HTTPResponse) -> None:
    """A body may end before its announced length without an error of the HTTP client."""
    if response.length:
        raise fetch_error(FetchReason.TRUNCATED, _BREAKS[FetchReason.TRUNCATED])


def break_error(error: Exception) -> RecordError:
    """The error that a conversation broken by `error` of the HTTP client stands for."""
    reason = _break_reason(error)
    return fetch_error(reason, _BREAKS[reason])


def _break_reason(error: BaseException) -> FetchReason:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return FetchReason.CONNECTION_LOST
    if isinstance(error, ssl.SSLError):
        return FetchReason.TLS
    if isinstance(error, http.client.IncompleteRead):
        return FetchReason.TRUNCATED
    if isinstance(error, OSError):
        return FetchReason.CONNECTION_LOST
    return FetchReason.BAD_RESPONSE
