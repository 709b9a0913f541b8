"""The number of records of a job that were settled over time, for a plot."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from common.store.tables.outcomes import RECORDS_SETTLED

MOST_BARS = 60

_SETTLED = text(f"""
    WITH span AS (
        SELECT min(settled_at) AS first,
               greatest(ceil(extract(epoch FROM max(settled_at) - min(settled_at))), 1) AS seconds
        FROM job_chunk WHERE job_id = :job
    ), bars AS (SELECT span.*, least(span.seconds, :most) AS bars FROM span)
    SELECT CAST(least(floor(bars * extract(epoch FROM settled_at - first) / seconds), bars - 1)
                AS int) AS bar,
           sum({RECORDS_SETTLED}) AS records, min(first) AS first,
           min(CAST(seconds AS float8)) AS seconds, min(CAST(bars AS int)) AS bars
    FROM job_chunk CROSS JOIN bars
    WHERE job_id = :job AND settled_at IS NOT NULL GROUP BY bar ORDER BY bar
""")


@dataclass(frozen=True, kw_only=True)
class RateBar:
    """A bar of the plot: place, width and height in percent, and the records a second."""

    place: float
    width: float
    height: float
    rate: float


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Records a second from the first settled chunk to the last. All bars have the same length of
    time, a second or more."""

    first: datetime
    seconds: float
    most: float
    bars: tuple[RateBar, ...]


def throughput(connection: Connection, job: UUID) -> Throughput | None:
    """The throughput of a job; None before a chunk is settled."""
    rows = connection.execute(_SETTLED, {"job": job, "most": MOST_BARS}).all()
    if not rows:
        return None
    seconds, parts = rows[0].seconds, rows[0].bars
    rates = {row.bar: float(row.records) * parts / seconds for row in rows}
    most = max(rates.values()) or 1.0
    bars = tuple(
        RateBar(place=100 * bar / parts, width=95 / parts, height=100 * rate / most, rate=rate)
        for bar, rate in rates.items()
    )
    return Throughput(first=rows[0].first, seconds=seconds, most=most, bars=bars)
