"""The table of reasons: every failure of a record is one of its rows."""

import re

import pytest

from common.errors import RecordError, TransientRecordError
from common.reasons import HostSignal, Reason, Stage, meaning_of


def test_a_code_never_changes_its_form():
    assert all(re.fullmatch("[a-z0-9_]+", reason.code) for reason in Reason)


def test_stage_and_code_together_name_one_reason():
    assert len({(reason.stage, reason.code) for reason in Reason}) == len(Reason)


def test_reasons_of_one_code_have_one_advice():
    """The store keeps the code of a picture's failure and not its stage."""
    assert all(Reason.of_code(reason.code).advice == reason.advice for reason in Reason)


def test_every_stage_has_a_reason():
    assert {reason.stage for reason in Reason} == {*Stage}


@pytest.mark.parametrize("reason", Reason)
def test_the_error_of_a_reason_leads_back_to_it(reason):
    error = reason.error("why")
    assert Reason.of(error) is reason
    assert isinstance(error, TransientRecordError) == reason.passes


def test_what_the_other_side_asks_for_travels_with_what_passes():
    error = Reason.RATE_LIMITED.error("", retry_after=3.0)
    assert isinstance(error, TransientRecordError)
    assert error.retry_after == 3.0
    assert type(Reason.NOT_FOUND.error("", retry_after=3.0)) is RecordError


def test_a_host_that_was_not_asked_is_not_blamed():
    unasked = [reason for reason in Reason if reason.retry and not reason.retry.counts]
    assert {reason.signal for reason in unasked} == {HostSignal.WELL}


def test_a_code_of_two_stages_has_both_meanings():
    told = meaning_of("truncated")
    assert Reason.TRUNCATED.meaning in told
    assert Reason.TRUNCATED_FILE.meaning in told
    assert meaning_of("of another release") == ""
