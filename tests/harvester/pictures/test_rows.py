"""When a picture is looked for again: the schedule as rows of the store."""

from datetime import UTC, datetime

import pytest

from common.errors import RecordError, TransientRecordError
from common.reasons import Reason
from harvester.pictures.rows import LONGEST_DELAY, PictureOutcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ended(*errors: RecordError, attempts: int = 0) -> tuple[str, str, int, float]:
    """State, reason, attempts and seconds until the next one."""
    row = PictureOutcome(record_id="/1/a", attempts=attempts, errors=errors).row(NOW)
    return row[1], row[2], row[9], (row[10] - NOW).total_seconds()


def passing(reason: str, retry_after: float | None = None) -> RecordError:
    return TransientRecordError("fetch", reason, retry_after=retry_after)


@pytest.mark.parametrize("reason", [each for each in Reason if each.passes])
def test_each_reason_has_its_first_delay_and_its_number_of_attempts(reason):
    retry, error = reason.retry, reason.error("")
    assert ended(error, attempts=0) == ("deferred", reason.code, 1, retry.seconds)
    before = retry.attempts - retry.counts
    assert ended(error, attempts=before) == ("failed", reason.code, retry.attempts, 0)


def test_delays_grow_to_a_day_and_are_never_shorter_than_the_host_asks():
    assert ended(passing("connect"), attempts=2)[3] == 60 * 4**2
    assert ended(passing("rate_limited", 3600.0))[3] == 3600
    assert ended(passing("rate_limited", 10.0))[3] == 300
    assert ended(passing("dns"), attempts=3)[3] == 57_600
    assert ended(passing("rate_limited"), attempts=6)[3] == LONGEST_DELAY


def test_a_picture_that_was_not_asked_for_counts_no_attempt():
    assert ended(passing("host_unavailable", 900.0), attempts=3)[2:] == (3, 4800)


def test_what_may_pass_in_one_place_outweighs_what_is_final_in_another():
    final = RecordError("fetch", "not_found")
    assert ended(final, passing("timeout"))[:2] == ("deferred", "timeout")
    assert ended(final, RecordError("decode", "damaged"))[:2] == ("failed", "not_found")


def test_a_file_that_is_cut_off_itself_is_final():
    assert ended(Reason.TRUNCATED_FILE.error(""))[0] == "failed"
