import threading
import time

import pytest
import structlog
from structlog.testing import capture_logs

from common.errors import ApiError, RateLimitedError
from common.europeana import quota
from common.europeana.quota import QuotaGate, seconds_to_renewal


@pytest.mark.parametrize(
    ("quota", "retry_after", "seconds"),
    [
        ('"personal";r=0;t=123', "", 123),
        ('"personal";r=5;t=10, "custom";r=0;t=77', "", 77),
        ('"personal";r=3;t=40', "", 40),
        ('"personal"; r=0; t=0', "", 1),
        ('"personal";r=0;t=999999999', "", 999_999_999),
        ("", "30", 30),
        ("nonsense", "0", 1),
    ],
)
def test_the_headers_say_how_long_to_wait(quota, retry_after, seconds):
    assert seconds_to_renewal(quota, retry_after) == seconds


@pytest.mark.parametrize("retry_after", ["", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_without_usable_headers_the_next_full_hour_counts(retry_after):
    hours = (time.time() + seconds_to_renewal("", retry_after)) / 3600
    assert hours == pytest.approx(round(hours), abs=1 / 3600)


@pytest.fixture(autouse=True)
def _fresh_log(monkeypatch):
    monkeypatch.setattr(quota, "log", structlog.get_logger())  # it may be configured


def test_an_open_gate_lets_pass_at_once():
    assert QuotaGate().wait(longest=0, why="") == 0


def test_all_threads_wait_and_the_waiting_is_told_once():
    gate = QuotaGate()
    gate.close(0.1)
    started = time.monotonic()
    passed = []
    threads = [threading.Thread(target=_pass, args=(gate, passed)) for _ in range(4)]
    with capture_logs() as told:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert min(passed) - started >= 0.1
    assert [line["event"] for line in told] == [
        "The quota of the API key is used up. The work continues when the quota is renewed."
    ]


def _pass(gate, passed):
    gate.wait(longest=10, why="")
    passed.append(time.monotonic())


def test_a_wait_that_is_too_long_ends_with_what_the_api_said():
    gate = QuotaGate()
    gate.close(60)
    with capture_logs() as told, pytest.raises(RateLimitedError, match=r"used up \(429_x\)"):
        gate.wait(longest=59, why=" (429_x)")
    assert told == []


def test_who_waits_is_woken_when_the_gate_is_abandoned():
    gate = QuotaGate()
    gate.close(60)
    gate.abandon()
    with pytest.raises(ApiError, match="closed while waiting"):
        gate.wait(longest=60, why="")
