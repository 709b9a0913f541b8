"""What became of the pictures of a dataset: in numbers, and by host with what to do about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, text

from common.reasons import DecodeReason, FetchReason
from common.store.records import find_dataset
from harvester.pictures.outcomes import HarvestReason

NO_HOST = "(names no file)"
NOT_TRIED = "not yet tried"

_COUNTS = text("""
    SELECT coalesce(image.state, 'not yet tried') AS state,
           coalesce(image.reason, image.source, '') AS why,
           count(DISTINCT item.record_id) AS records,
           min(image.not_before) FILTER (WHERE image.state = 'deferred') AS again_from
    FROM dataset_item AS item LEFT JOIN image ON image.record_id = item.record_id
    WHERE item.dataset_id = :dataset
    GROUP BY 1, 2
    ORDER BY records DESC, 1, 2
""")

_BY_HOST = text("""
    SELECT lower(substring(record.media_url FROM '^[A-Za-z]+://(?:[^/?#@]*@)?([^/?#]+)')) AS host,
           coalesce(image.state, '') AS state, image.reason,
           count(DISTINCT item.record_id) AS records,
           min(image.not_before) FILTER (WHERE image.state = 'deferred') AS again_from
    FROM dataset_item AS item
    JOIN record ON record.id = item.record_id
    LEFT JOIN image ON image.record_id = record.id
    WHERE item.dataset_id = :dataset
    GROUP BY 1, 2, 3
""")

_WAIT = "Run the command again when it is due; it goes on by itself."
_ASK = "Ask the provider, or use --picture auto."
_LINK = "The link is dead: tell the provider, or use --picture auto."
_FILE = "The file cannot be read: tell the provider, or use --picture auto."
_NETWORK = "The host may be gone: if this stays, use --picture auto and tell the provider."

ADVICE: dict[str, str] = {
    FetchReason.INVALID_URL: "The record's link is malformed: tell the provider.",
    FetchReason.UNSUPPORTED_SCHEME: "The record's link is no web link: tell the provider.",
    FetchReason.ADDRESS_REFUSED: "The link leads into a private network; if it is yours, name it "
    "in FETCH_ALLOW_ADDRESSES.",
    FetchReason.PORT_REFUSED: "Only ports 80, 443, 8080 and 8443 are asked; if the host is yours, "
    "name it in FETCH_ALLOW_ADDRESSES.",
    FetchReason.DNS: _NETWORK,
    FetchReason.CONNECT: _NETWORK,
    FetchReason.TLS: "Its certificate is not valid: tell the provider, or use --picture auto.",
    FetchReason.CONNECTION_LOST: _WAIT,
    FetchReason.BAD_RESPONSE: "It does not speak HTTP: tell the provider.",
    FetchReason.TOO_MANY_REDIRECTS: _LINK,
    FetchReason.HOST_UNAVAILABLE: "It failed or asked us to wait, so these were not asked for. "
    + _WAIT,
    FetchReason.HOST_SLOW: _WAIT,
    FetchReason.CANCELLED: _WAIT,
    FetchReason.NOT_FOUND: _LINK,
    FetchReason.FORBIDDEN: "It refuses us: ask the provider to allow our User-Agent, or use "
    "--picture auto.",
    FetchReason.RATE_LIMITED: "Lower FETCH_REQUESTS_PER_SECOND, or agree on a rate with the "
    "provider. " + _WAIT,
    FetchReason.HTTP_4XX: _ASK,
    FetchReason.SERVER_ERROR: "Its server fails: if this stays, tell the provider. " + _WAIT,
    FetchReason.UNEXPECTED_STATUS: _ASK,
    FetchReason.TIMEOUT: "It is overloaded: lower FETCH_REQUESTS_AT_A_TIME. " + _WAIT,
    FetchReason.TOO_SLOW: "It is overloaded: lower FETCH_REQUESTS_AT_A_TIME. " + _WAIT,
    FetchReason.TOO_LARGE: "Above 100 MB: use --picture auto.",
    FetchReason.TRUNCATED: _FILE,
    FetchReason.ENCODING_REFUSED: "It sends compressed what we asked for plainly: tell the "
    "provider, or use --picture auto.",
    FetchReason.EMPTY: _FILE,
    FetchReason.NOT_AN_IMAGE_HTML: "The link leads to a web page, not to the file: tell the "
    "provider, or use --picture auto.",
    FetchReason.NOT_AN_IMAGE_PDF: "The link leads to a PDF: use --picture auto.",
    FetchReason.NOT_AN_IMAGE_XML: _LINK,
    FetchReason.NOT_AN_IMAGE_JSON: _LINK,
    FetchReason.NOT_AN_IMAGE: _LINK,
    FetchReason.UNSUPPORTED_IMAGE: "A format that we do not read: use --picture auto.",
    DecodeReason.TOO_MANY_PIXELS: "Too large to decode: use --picture auto.",
    DecodeReason.DAMAGED: _FILE,
    DecodeReason.OUT_OF_MEMORY: "Give the process more memory. " + _WAIT,
    HarvestReason.NO_PICTURE: "Nothing to fetch: use --picture auto, or leave these records out.",
    HarvestReason.PLACEHOLDER: "It has no pictures of its own for these: tell the provider, or "
    "overrule it by `harvester placeholders`.",
    HarvestReason.VANISHED: "Files were removed from IMAGE_DIR. " + _WAIT,
    NOT_TRIED: "Run the command without --report.",
}


@dataclass(frozen=True, kw_only=True)
class PictureCount:
    """How many records have a picture from one source, or none for one reason (`why`)."""

    state: str
    why: str
    records: int
    again_from: datetime | None


@dataclass(frozen=True, kw_only=True)
class HostReport:
    """How it stands with the pictures whose files are on one host; `reasons` of those missing."""

    host: str
    stored: int
    reasons: Mapping[str, int] = field(default_factory=dict)  # the most frequent first
    again_from: datetime | None = None

    @property
    def pictures(self) -> int:
        """All of them."""
        return self.stored + self.missing

    @property
    def missing(self) -> int:
        """Those that are not stored."""
        return sum(self.reasons.values())

    @property
    def advice(self) -> str:
        """What to do about the most frequent reason."""
        return ADVICE[next(iter(self.reasons))] if self.reasons else ""


def count_images(engine: Engine, name: str) -> list[PictureCount]:
    """The records of a dataset by what became of their pictures, the most frequent first.

    Raises:
        UsageError: there is no such dataset.
    """
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        rows = connection.execute(_COUNTS, {"dataset": dataset}).mappings()
        return [PictureCount(**row) for row in rows]


def report_hosts(engine: Engine, name: str) -> list[HostReport]:
    """The hosts of a dataset's files, those that lack the most pictures first.

    Raises:
        UsageError: there is no such dataset.
    """
    rows_of: dict[str, list[Row[Any]]] = {}
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        for row in connection.execute(_BY_HOST, {"dataset": dataset}):
            rows_of.setdefault(row.host or NO_HOST, []).append(row)
    reports = [_host_report(host, rows) for host, rows in rows_of.items()]
    return sorted(reports, key=lambda report: (-report.missing, -report.stored, report.host))


def _host_report(host: str, rows: Sequence[Row[Any]]) -> HostReport:
    missing: Counter[str] = Counter()
    for row in rows:
        if row.state != "stored":
            missing[row.reason or NOT_TRIED] += row.records
    return HostReport(
        host=host,
        stored=sum(row.records for row in rows if row.state == "stored"),
        reasons=dict(missing.most_common()),
        again_from=min((row.again_from for row in rows if row.again_from), default=None),
    )
