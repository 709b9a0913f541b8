"""When a record that failed is tried again."""

from dataclasses import replace

import pytest

from common.errors import RecordError, TransientRecordError
from tests.worker.enrich.test_pipeline import LEASE
from worker.ledger.delays import MAX_RETRY_AFTER, MAX_WAIT, Delay, by_delay, next_try

DELAYS = (60.0, 600.0)


@pytest.mark.parametrize(
    ("error", "retries", "expected"),
    [
        (RecordError("fetch", "not_found"), 0, None),
        (TransientRecordError("fetch", "timeout"), 0, Delay(60, counted=True)),
        (TransientRecordError("fetch", "timeout"), 1, Delay(600, counted=True)),
        (TransientRecordError("fetch", "timeout"), 2, None),
        (TransientRecordError("fetch", "timeout", retry_after=101), 0, Delay(110, counted=True)),
        (
            TransientRecordError("fetch", "timeout", retry_after=10 * MAX_RETRY_AFTER),
            *(0, Delay(87_000, counted=True)),
        ),
        (TransientRecordError("fetch", "host_unavailable"), 2, Delay(60, counted=False)),
        (TransientRecordError("fetch", "host_slow"), 0, Delay(0, counted=False)),
    ],
)
def test_only_what_may_pass_is_tried_again(
    error: RecordError, retries: int, expected: Delay | None
) -> None:
    assert next_try(error, replace(LEASE, retries=retries), DELAYS) == expected


def test_who_waits_for_others_waits_as_long_again_and_is_given_up_in_the_end() -> None:
    error = TransientRecordError("fetch", "host_slow")
    patient = replace(LEASE, waited_seconds=700.0)
    assert next_try(error, patient, DELAYS) == Delay(700, counted=False)
    assert next_try(error, replace(LEASE, waited_seconds=MAX_WAIT), DELAYS) is None


def test_records_are_put_off_together() -> None:
    errors = {
        "/1/a": TransientRecordError("fetch", "timeout"),
        "/1/b": RecordError("fetch", "not_found"),
        "/1/c": TransientRecordError("fetch", "timeout", retry_after=5),
    }
    assert by_delay(errors, LEASE, DELAYS) == {Delay(60, counted=True): ["/1/a", "/1/c"]}
