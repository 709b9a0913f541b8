import time
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise

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
    monkeypatch.setenv("FETCH_PER_ADDRESS_FACTOR", "3")
    limiter = LocalHostLimiter.from_settings(ImageSettings.read())
    thumbnails = limiter.limits_of("api.example")
    assert (thumbnails.requests_per_second, thumbnails.max_concurrent) == (200, 64)
    assert limiter.limits_of("museum.example").requests_per_second == 4
    assert limiter.keys("api.example", HERE) == ("api.example",)
    _, address = limiter.keys("museum.example", HERE)
    assert limiter.limits_of(address).requests_per_second == 4 * 3


def test_a_host_may_have_limits_of_its_own():
    limiter = LocalHostLimiter(
        replace(FAST, max_concurrent=1), exceptions={"a.org": replace(FAST, max_concurrent=3)}
    )
    for _ in range(3):
        start(limiter)
    time.sleep(0.01)
    assert limiter.try_start("a.org") > 0


HERE = ip_address("203.0.113.7")


def test_an_address_has_limits_beside_those_of_its_names():
    limiter = LocalHostLimiter(replace(FAST, max_concurrent=2), per_address=3)
    started = 0
    for number in range(10):
        started += limiter.try_start(f"{number}.org", HERE) == 0
        time.sleep(0.002)
    assert started == 6
    assert limiter.standing("9.org").running == 0, "who waits for the address has no turn"
    assert limiter.try_start("9.org", ip_address("203.0.113.8")) == 0
    limiter.finish("0.org", HostSignal.FAILURE, address=ip_address("::ffff:203.0.113.7"))
    assert limiter.try_start("8.org", HERE) == 0


def test_an_address_is_asked_no_faster_than_its_rate():
    limits = HostLimits(max_concurrent=100, requests_per_second=10.0)
    limiter = LocalHostLimiter(limits, per_address=4)
    began = time.monotonic()
    for number in range(11):
        while (wait := limiter.try_start(f"{number}.org", HERE)) > 0:
            time.sleep(wait)
    assert time.monotonic() - began >= 10 / 40


def test_complaints_and_failures_of_a_name_are_not_those_of_its_address():
    limiter = LocalHostLimiter(replace(FAST, failures_to_open=1))
    assert limiter.try_start("dead.org", HERE) == 0
    limiter.finish("dead.org", HostSignal.FAILURE, address=HERE)
    with pytest.raises(TransientRecordError, match="host_unavailable"):
        limiter.try_start("dead.org", HERE)
    time.sleep(0.002)
    assert limiter.try_start("alive.org", HERE) == 0


def test_a_host_with_limits_of_its_own_does_not_count_at_its_address():
    limiter = LocalHostLimiter(
        replace(FAST, max_concurrent=1), exceptions={"own.org": FAST}, per_address=1
    )
    start(limiter, "own.org")
    limiter.try_start("own.org", HERE)
    assert limiter.try_start("a.org", HERE) == 0


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


def fail(limiter, host) -> None:
    assert limiter.try_start(host) == 0
    limiter.finish(host, HostSignal.FAILURE)


@pytest.mark.parametrize("failures_to_open", [1, 5])
def test_dead_hosts_are_forgotten_when_there_are_too_many_and_many_at_a_time(failures_to_open):
    limiter = LocalHostLimiter(replace(FAST, failures_to_open=failures_to_open), hosts_kept=40)
    kept = []
    for number in range(400):
        fail(limiter, f"{number}.org")
        kept.append(len(limiter._hosts))
    assert max(kept) <= 40
    assert sum(after < before for before, after in pairwise(kept)) <= 400 / 10


def test_who_is_asked_or_wants_to_be_left_alone_is_kept_while_others_can_be_forgotten():
    limiter = LocalHostLimiter(FAST, hosts_kept=20)
    start(limiter, "asked.org")
    assert limiter.try_start("busy.org") == 0
    limiter.finish("busy.org", HostSignal.COMPLAINT, 3600.0)
    limiter.pause("told.org", 3600.0)
    for number in range(200):
        fail(limiter, f"{number}.org")
    assert limiter.standing("asked.org").running == 1
    assert limiter.standing("busy.org").pause_seconds > 3000
    assert limiter.standing("told.org").pause_seconds > 3000


def test_a_host_is_not_forgotten_for_its_own_address():
    limiter = LocalHostLimiter(FAST, hosts_kept=2)
    fail(limiter, "dead.org")
    assert limiter.try_start("alive.org", HERE) == 0
    assert limiter.standing("alive.org").running == 1


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
