"""When a record that failed is tried again.

A failure that may pass moves the record to a later chunk. A failure of the record itself uses up
one of its tries. A record whose host was not asked, because the host had failed other records, has
not failed itself: it waits, each time as long as it has waited so far, and is given up after
MAX_WAIT in all. A record whose host was too slow for its chunk moves at once to a chunk of slow
records; after that it waits in the same way.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import RecordError, TransientRecordError
from common.reasons import Reason
from worker.ledger.chunks import Lease

MAX_RETRY_AFTER = 86_400.0  # seconds; a host that asks for more is asked again after a day
MAX_WAIT = 86_400.0  # seconds that a record waits for the failures of other records to end


@dataclass(frozen=True, order=True)
class Delay:
    """How long a record is put off, and whether that was one of its tries."""

    seconds: float
    counted: bool


def next_try(error: RecordError, lease: Lease, retry_delays: Sequence[float]) -> Delay | None:
    """When to try a record with this error again; None if the error is final."""
    if not isinstance(error, TransientRecordError):
        return None
    asked = _rounded_up(min(error.retry_after or 0.0, MAX_RETRY_AFTER))
    reason = Reason.of(error)
    if reason.retry and not reason.retry.counts:
        is_slow = reason is Reason.HOST_SLOW
        shortest = 0.0 if is_slow or not retry_delays else retry_delays[0]
        seconds = max(asked, shortest, lease.waited_seconds)
        return Delay(seconds, counted=False) if lease.waited_seconds < MAX_WAIT else None
    if lease.retries >= len(retry_delays):
        return None
    return Delay(max(retry_delays[lease.retries], asked), counted=True)


def _rounded_up(seconds: float) -> float:
    """To two digits, so that records of one host share a later chunk."""
    step = 10 ** max(0, len(str(int(seconds))) - 2)
    return float(math.ceil(seconds / step) * step)


def by_delay(
    errors: Mapping[str, RecordError], lease: Lease, retry_delays: Sequence[float]
) -> dict[Delay, list[str]]:
    """The records that are tried again, by their delay; all other errors are final."""
    later: dict[Delay, list[str]] = defaultdict(list)
    for record_id, error in errors.items():
        if delay := next_try(error, lease, retry_delays):
            later[delay].append(record_id)
    return dict(later)
