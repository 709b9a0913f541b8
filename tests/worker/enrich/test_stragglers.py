"""How long a chunk waits for its last pictures."""

import time

import pytest

from worker.enrich import stragglers
from worker.enrich.stragglers import LONGEST_WAIT, StragglerWait

LEAST, LATE = 0.1, 0.02


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stragglers, "LEAST_SECONDS", LEAST)
    monkeypatch.setattr(stragglers, "LATE_SECONDS", LATE)


def test_all_but_the_last_quarter_are_waited_for() -> None:
    wait = StragglerWait(100)
    assert wait(100) == wait(26) == LONGEST_WAIT
    assert wait(25) < LONGEST_WAIT


def test_where_all_was_fast_the_last_have_little_time() -> None:
    wait = StragglerWait(100)
    assert wait(25) == pytest.approx(LEAST, abs=0.05)
    time.sleep(LEAST)
    assert wait(10) == wait(1) == LATE  # asked for late, since too much was unread


def test_where_all_is_slow_the_last_may_be_slow() -> None:
    wait = StragglerWait(8)  # six come in 0.6 seconds, so one in 0.1
    time.sleep(0.6)
    assert wait(2) == pytest.approx(0.3, abs=0.05)  # half the time before, less than four paces
    time.sleep(0.2)
    assert wait(1) == pytest.approx(0.1, abs=0.05)


def test_a_pause_is_long_where_it_is_four_times_the_pace() -> None:
    wait = StragglerWait(40)  # thirty come in 0.9 seconds, so one in 0.03
    time.sleep(0.9)
    assert wait(10) == pytest.approx(0.12, abs=0.03)


@pytest.mark.parametrize("pictures", [1, 3])
def test_of_very_few_pictures_none_is_left(pictures: int) -> None:
    assert StragglerWait(pictures)(1) == LONGEST_WAIT
