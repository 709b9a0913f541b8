"""What an HTTP answer means for a picture: its status, its headers, its first bytes.

Content-Type headers are wrong too often, so the first bytes say what a body is.
"""

import email.utils
import http.client
import re
import ssl
from datetime import UTC, datetime

from common.errors import RecordError
from common.reasons import Reason

REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRY_AFTER_CAP = 3600.0  # seconds; some hosts ask for days
_STATUS_REASONS = {
    401: Reason.FORBIDDEN,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    408: Reason.TIMEOUT,
    410: Reason.NOT_FOUND,
    429: Reason.RATE_LIMITED,
    451: Reason.FORBIDDEN,
}
_BREAKS = {
    Reason.BAD_RESPONSE: "the answer is not HTTP",
    Reason.CONNECTION_LOST: "the connection was lost",
    Reason.TLS: "the certificate or the encryption is not acceptable",
    Reason.TRUNCATED: "the body is shorter than the length in the header",
}
PREFIX_BYTES = 4096  # enough to tell a web page behind comments and blank lines
_IMAGES = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]"), "TIFF"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"), "JPEG2000"),
    (re.compile(rb"BM....\x00\x00\x00\x00", re.DOTALL), "BMP"),
)
_BLANK = rb"(?:\xef\xbb\xbf)?\s*"
_OTHERS = (
    (_BLANK + rb"%PDF-", Reason.NOT_AN_IMAGE_PDF, "a PDF"),
    (rb".{0,1024}%PDF-\d", Reason.NOT_AN_IMAGE_PDF, "a PDF"),
    (_BLANK + rb"(?=<).{0,3000}?<(?:!doctype\s+html|html\b|head\b|body\b)",
     Reason.NOT_AN_IMAGE_HTML, "a web page"),
    (_BLANK + rb"(?=<).{0,3000}?<svg\b", Reason.UNSUPPORTED_IMAGE, "SVG"),
    (_BLANK + rb"<[a-z?!]", Reason.NOT_AN_IMAGE_XML, "an XML document"),
    (_BLANK + rb"[{\[]\s*[\"\]}{\[]", Reason.NOT_AN_IMAGE_JSON, "a JSON document"),
    (rb"....ftyp(?:avif|avis|heic|heix|mif1|msf1)", Reason.UNSUPPORTED_IMAGE, "AVIF or HEIF"),
    (rb"8BPS", Reason.UNSUPPORTED_IMAGE, "Photoshop"),
    (rb"AT&TFORM", Reason.UNSUPPORTED_IMAGE, "DjVu"),
    (rb"\x00\x00\x01\x00", Reason.UNSUPPORTED_IMAGE, "an icon"),
)  # fmt: skip
_OTHER_KINDS = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), reason, name)
    for pattern, reason, name in _OTHERS
)


def redirect_location(status: int, headers: http.client.HTTPMessage) -> str | None:
    location = headers.get("Location")
    if status not in REDIRECTS or not location:
        return None
    try:
        return location.encode("latin-1").decode()  # http.client reads all headers as Latin-1
    except UnicodeError:
        return location


def status_error(status: int, headers: http.client.HTTPMessage) -> RecordError:
    reason = _STATUS_REASONS.get(status, Reason.UNEXPECTED_STATUS)
    if reason is Reason.UNEXPECTED_STATUS and 400 <= status < 600:
        reason = Reason.HTTP_4XX if status < 500 else Reason.SERVER_ERROR
    retry_after = retry_after_seconds(headers.get("Retry-After", ""))
    return reason.error(f"status {status}", retry_after=retry_after)


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
        raise Reason.ENCODING_REFUSED.error("the body is compressed")


def refuse_two_lengths(headers: http.client.HTTPMessage) -> None:
    """A body that announces two different lengths has no known end."""
    if len(set(headers.get_all("Content-Length", []))) > 1:
        raise Reason.BAD_RESPONSE.error("the answer has two different lengths")


def refuse_shortness(response: http.client.HTTPResponse) -> None:
    """A body may end before its announced length without an error of the HTTP client."""
    if response.length:
        raise Reason.TRUNCATED.error(_BREAKS[Reason.TRUNCATED])


def break_error(error: Exception) -> RecordError:
    reason = _break_reason(error)
    return reason.error(_BREAKS[reason])


def _break_reason(error: BaseException) -> Reason:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Reason.CONNECTION_LOST
    if isinstance(error, ssl.SSLError):
        return Reason.TLS
    if isinstance(error, http.client.IncompleteRead):
        return Reason.TRUNCATED
    if isinstance(error, OSError):
        return Reason.CONNECTION_LOST
    return Reason.BAD_RESPONSE


def sniff(content: bytes) -> str:
    """The format of a picture: JPEG, PNG, TIFF, GIF, WEBP, JPEG2000 or BMP.

    Raises:
        RecordError: it is something else: `empty`, `not_an_image*`, `unsupported_image`.
    """
    if not content:
        raise Reason.EMPTY.error("the body has no bytes")
    prefix = content[:PREFIX_BYTES]
    for pattern, name in _IMAGES:
        if pattern.match(prefix):
            return name
    for pattern, reason, name in _OTHER_KINDS:
        if pattern.match(prefix):
            raise reason.error(f"the body is {name}")
    raise Reason.NOT_AN_IMAGE.error("the body is not a known kind of image")
