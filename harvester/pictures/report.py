"""What became of the pictures of a dataset: the counts, and the hosts with advice on each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, text

from common.fetch.urls import URL_START, host_of
from common.reasons import Reason
from common.store.records import find_dataset
from common.store.tables import ImageState

NO_HOST = "(names no file)"
NOT_TRIED = "not yet tried"
TRY = "Run the command without --report."

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

_BY_HOST = text(f"""
    SELECT {URL_START} AS start,
           coalesce(image.state, '') AS state, image.reason,
           count(DISTINCT item.record_id) AS records,
           min(image.not_before) FILTER (WHERE image.state = 'deferred') AS again_from
    FROM dataset_item AS item
    JOIN record ON record.id = item.record_id
    LEFT JOIN image ON image.record_id = record.id
    WHERE item.dataset_id = :dataset
    GROUP BY 1, 2, 3
""")


@dataclass(frozen=True, kw_only=True)
class PictureCount:
    """How many records are in one state for one source or reason (`why`)."""

    state: str
    why: str
    records: int
    again_from: datetime | None


@dataclass(frozen=True, kw_only=True)
class HostReport:
    """The pictures whose files are on one host; `reasons` counts the missing ones."""

    host: str
    stored: int
    reasons: Mapping[str, int] = field(default_factory=dict)  # the most frequent first
    again_from: datetime | None = None

    @property
    def pictures(self) -> int:
        return self.stored + self.missing

    @property
    def missing(self) -> int:
        return sum(self.reasons.values())

    @property
    def advice(self) -> str:
        reason = next(iter(self.reasons), None)
        if reason is None:
            return ""
        return TRY if reason == NOT_TRIED else Reason.of_code(reason).advice


def count_pictures(engine: Engine, name: str) -> list[PictureCount]:
    """The records of a dataset by what became of their pictures, the largest count first."""
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        rows = connection.execute(_COUNTS, {"dataset": dataset}).mappings()
        return [PictureCount(**row) for row in rows]


def report_hosts(engine: Engine, name: str) -> list[HostReport]:
    """The hosts of a dataset's files, the host with the most missing pictures first."""
    rows_of: dict[str, list[Row[Any]]] = {}
    with engine.connect() as connection:
        dataset = find_dataset(connection, name)
        for row in connection.execute(_BY_HOST, {"dataset": dataset}):
            rows_of.setdefault(host_of(row.start) or NO_HOST, []).append(row)
    reports = [_host_report(host, rows) for host, rows in rows_of.items()]
    return sorted(reports, key=lambda report: (-report.missing, -report.stored, report.host))


def _host_report(host: str, rows: Sequence[Row[Any]]) -> HostReport:
    missing: Counter[str] = Counter()
    for row in rows:
        if row.state != ImageState.STORED:
            missing[row.reason or NOT_TRIED] += row.records
    return HostReport(
        host=host,
        stored=sum(row.records for row in rows if row.state == ImageState.STORED),
        reasons=dict(missing.most_common()),
        again_from=min((row.again_from for row in rows if row.again_from), default=None),
    )
