"""What records of a job come to."""

from enum import StrEnum


class Outcome(StrEnum):
    """Of a record; each has one once its chunk is settled."""

    ENRICHED = "enriched"
    UNLIKE = "unlike"
    BELOW_THRESHOLD = "below_threshold"
    BLOCKED = "blocked"
    FAILED = "failed"


COUNTED = (*Outcome, "read")
"""The columns of a chunk and of a job that count: records by outcome, and those not looked at."""

RECORDS_SETTLED = f"({' + '.join(Outcome)})"
"""How many records a settled chunk has; to count its IDs Postgres would read and unpack them."""
