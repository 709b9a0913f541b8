"""Why a picture could not be fetched or decoded: stable codes, all in this one place."""

from enum import StrEnum

from common.errors import RecordError, TransientRecordError


class FetchReason(StrEnum):
    """Codes of the stage `fetch`; `TRANSIENT` below says which may pass with time."""

    # the URL
    INVALID_URL = "invalid_url"  # no host, a malformed host or port, a user name in it
    UNSUPPORTED_SCHEME = "unsupported_scheme"  # neither http nor https: ftp, file, data
    ADDRESS_REFUSED = "address_refused"  # the host has no address that is public or allowed
    PORT_REFUSED = "port_refused"  # an unusual port of a public address
    # the way there
    DNS = "dns"  # the host name does not resolve, or not in time
    CONNECT = "connect"  # no address of the host accepts a connection in time
    TLS = "tls"  # the certificate or the encryption is not acceptable
    CONNECTION_LOST = "connection_lost"  # the host broke the connection off
    BAD_RESPONSE = "bad_response"  # what came back is not HTTP
    TOO_MANY_REDIRECTS = "too_many_redirects"  # a loop, or a chain longer than the limit
    HOST_UNAVAILABLE = "host_unavailable"  # not asked: the host failed or paused us just now
    HOST_SLOW = "host_slow"  # not waited for: other hosts had long delivered
    CANCELLED = "cancelled"  # the caller stopped; says nothing about the picture
    # the status
    NOT_FOUND = "not_found"  # 404, 410
    FORBIDDEN = "forbidden"  # 401, 403, 451
    RATE_LIMITED = "rate_limited"  # 429
    HTTP_4XX = "http_4xx"  # any other 4xx
    SERVER_ERROR = "server_error"  # 5xx
    UNEXPECTED_STATUS = "unexpected_status"  # neither 200, a redirect, 4xx nor 5xx
    # the body
    TIMEOUT = "timeout"  # silence, or not finished before the deadline
    TOO_SLOW = "too_slow"  # below the minimum rate
    TOO_LARGE = "too_large"  # more bytes than the limit
    TRUNCATED = "truncated"  # it ended before the length that was announced
    ENCODING_REFUSED = "encoding_refused"  # compressed although we asked for plain bytes
    EMPTY = "empty"  # no byte at all
    # what the bytes are, whatever the header says
    NOT_AN_IMAGE_HTML = "not_an_image_html"  # a web page: log-in, error, viewer
    NOT_AN_IMAGE_PDF = "not_an_image_pdf"
    NOT_AN_IMAGE_XML = "not_an_image_xml"  # an error document or metadata
    NOT_AN_IMAGE_JSON = "not_an_image_json"
    NOT_AN_IMAGE = "not_an_image"  # none of the kinds that we know
    UNSUPPORTED_IMAGE = "unsupported_image"  # an image of a kind we do not read: SVG, AVIF, PSD


class DecodeReason(StrEnum):
    """Codes of the stage `decode`; all are final but `OUT_OF_MEMORY`."""

    TOO_MANY_PIXELS = "too_many_pixels"  # more than we are willing to decode, by its header
    TRUNCATED = "truncated"  # the data ends too early
    DAMAGED = "damaged"  # the data contradicts its own format
    UNSUPPORTED_IMAGE = "unsupported_image"  # an unusual kind of pixels
    OUT_OF_MEMORY = "out_of_memory"


TRANSIENT = frozenset(
    {
        FetchReason.DNS,
        FetchReason.CONNECT,
        FetchReason.CONNECTION_LOST,
        FetchReason.HOST_UNAVAILABLE,
        FetchReason.HOST_SLOW,
        FetchReason.CANCELLED,
        FetchReason.RATE_LIMITED,
        FetchReason.SERVER_ERROR,
        FetchReason.TIMEOUT,
        FetchReason.TOO_SLOW,
        FetchReason.TRUNCATED,
    }
)


def fetch_error(
    reason: FetchReason, detail: str, *, retry_after: float | None = None
) -> RecordError:
    """The error of a failed fetch; `detail` must not hold a query or a user name."""
    if reason in TRANSIENT:
        return TransientRecordError("fetch", reason.value, detail, retry_after=retry_after)
    return RecordError("fetch", reason.value, detail)


def decode_error(reason: DecodeReason, detail: str) -> RecordError:
    """The error of a picture that cannot be decoded."""
    if reason is DecodeReason.OUT_OF_MEMORY:
        return TransientRecordError("decode", reason.value, detail)
    return RecordError("decode", reason.value, detail)
