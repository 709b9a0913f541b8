import time
from dataclasses import replace

import pytest

from common.errors import TransientRecordError
from common.fetch.host_limits import HostLimits, HostSignal, LocalHostLimiter
from common.process.settings import ImageSettings
from common.reasons import Reason, signal_of

FAST = HostLimits(max_concurrent=4, requests_per_second=1000.0)


def start(limiter, host="a.org") -> None:
    while (wait := limiter.try_start(host)) > 0:
        assert wait < 5
        time.sleep(wait)


def ask(limiter, signal, retry_after=None) -> None:
    start(limiter)
    limiter.finish("a.org", signal, retry_after)


def test_requests_start_no_faster_than_the_rate():
    limiter = LocalHostLimiter(HostLimits(max_concurrent=100, requests_per_second=50.0))
    began = time.monotonic()
    for _ in range(11):
        start(limiter)
    assert time.monotonic() - began >= 10 / 50


def test_no_more_than_the_limit_run_at_a_time_and_hosts_do_not_count_together():
    limiter = LocalHostLimiter(replace(FAST, max_concurrent=2))
    start(limiter)
    start(limiter)
    time.sleep(0.01)
    assert limiter.try_start("a.org") > 0
    assert limiter.try_start("b.org") == 0
    limiter.finish("a.org", HostSignal.WELL)
    assert limiter.try_start("a.org") == 0


def test_europeanas_own_host_is_asked_as_the_environment_says(monkeypatch):
    monkeypatch.setenv("EUROPEANA_API_URL", "https://api.example")
    monkeypatch.setenv("FETCH_THUMBNAILS_PER_SECOND", "200")
    limiter = LocalHostLimiter.from_settings(ImageSettings.read())
    thumbnails = limiter.limits_of("api.example")
    assert (thumbnails.requests_per_second, thumbnails.max_concurrent) == (200, 64)
    assert limiter.limits_of("museum.example").requests_per_second == 4


def test_a_host_may_have_limits_of_its_own():
    limiter = LocalHostLimiter(
        replace(FAST, max_concurrent=1), exceptions={"a.org": replace(FAST, max_concurrent=3)}
    )
    for _ in range(3):
        start(limiter)
    time.sleep(0.01)
    assert limiter.try_start("a.org") > 0


def interval(limiter) -> float:
    """The spacing of starts, as the limiter tells it right after one."""
    start(limiter)
    limiter.finish("a.org", HostSignal.NOTHING)
    return limiter.try_start("a.org")


def test_complaints_halve_the_pace_and_good_answers_win_it_back_bit_by_bit():
    limiter = LocalHostLimiter(HostLimits(max_concurrent=4, requests_per_second=100, recovery=0.25))
    assert interval(limiter) == pytest.approx(0.01, rel=0.2)
    ask(limiter, HostSignal.COMPLAINT)
    ask(limiter, HostSignal.COMPLAINT)
    assert interval(limiter) == pytest.approx(0.04, rel=0.2)
    ask(limiter, HostSignal.WELL)
    assert interval(limiter) == pytest.approx(0.02, rel=0.2)
    for _ in range(5):
        ask(limiter, HostSignal.WELL)
    assert interval(limiter) == pytest.approx(0.01, rel=0.2)


def test_the_pace_has_a_floor_and_leaves_one_request_at_a_time():
    limiter = LocalHostLimiter(replace(FAST, slowest=1 / 8))
    for _ in range(10):
        ask(limiter, HostSignal.COMPLAINT)
    assert interval(limiter) == pytest.approx(0.008, rel=0.2)
    start(limiter)
    time.sleep(0.02)
    assert limiter.try_start("a.org") > 0


def test_a_short_pause_is_waited_for_and_a_long_one_is_not():
    limiter = LocalHostLimiter(FAST)
    ask(limiter, HostSignal.COMPLAINT, 0.2)
    assert 0.1 < limiter.try_start("a.org") <= 0.2
    time.sleep(0.21)
    ask(limiter, HostSignal.COMPLAINT, 3600.0)
    with pytest.raises(TransientRecordError, match="host_unavailable") as caught:
        limiter.try_start("a.org")
    assert caught.value.retry_after == pytest.approx(3600, abs=1)
    assert limiter.try_start("b.org") == 0


def unavailable_for(limiter) -> float:
    with pytest.raises(TransientRecordError, match="host_unavailable") as caught:
        limiter.try_start("a.org")
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_a_dead_host_is_left_alone_and_then_tried_by_one_request():
    limits = replace(FAST, failures_to_open=3, open_seconds=0.2, slowest=1.0)
    limiter = LocalHostLimiter(limits)
    for _ in range(3):
        ask(limiter, HostSignal.FAILURE)
    assert unavailable_for(limiter) == pytest.approx(0.2, abs=0.1)
    time.sleep(0.21)
    start(limiter)
    time.sleep(0.01)
    assert limiter.try_start("a.org") > 0, "a second trial beside the first"
    limiter.finish("a.org", HostSignal.FAILURE)
    assert unavailable_for(limiter) == pytest.approx(0.4, abs=0.1)
    time.sleep(0.41)
    ask(limiter, HostSignal.WELL)
    ask(limiter, HostSignal.FAILURE)
    start(limiter)


def test_failures_that_were_under_way_when_a_host_died_do_not_count_as_trials():
    limits = replace(FAST, failures_to_open=2, open_seconds=10.0)
    limiter = LocalHostLimiter(limits)
    for _ in range(4):
        start(limiter)
    for _ in range(4):
        limiter.finish("a.org", HostSignal.FAILURE)
    assert unavailable_for(limiter) <= 10


def test_hosts_at_rest_are_forgotten_when_there_are_too_many():
    limiter = LocalHostLimiter(FAST, hosts_kept=10)
    for number in range(100):
        assert limiter.try_start(f"{number}.org") == 0
        limiter.finish(f"{number}.org", HostSignal.WELL)
        time.sleep(0.002)
    assert len(limiter._hosts) <= 10


@pytest.mark.parametrize(
    ("error", "signal"),
    [
        (None, HostSignal.WELL),
        (Reason.NOT_FOUND.error(""), HostSignal.WELL),
        (Reason.TRUNCATED.error(""), HostSignal.WELL),
        (Reason.RATE_LIMITED.error(""), HostSignal.COMPLAINT),
        (Reason.SERVER_ERROR.error("", retry_after=3.0), HostSignal.COMPLAINT),
        (Reason.SERVER_ERROR.error(""), HostSignal.FAILURE),
        (Reason.CONNECT.error(""), HostSignal.FAILURE),
        (Reason.CANCELLED.error(""), HostSignal.NOTHING),
    ],
)
def test_what_an_outcome_says_about_its_host(error, signal):
    assert signal_of(error) is signal
