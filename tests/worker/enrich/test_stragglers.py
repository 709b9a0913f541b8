"""Patience: the last pictures of a chunk are waited for as long as the others' pace allows."""

import time

import pytest

from worker.enrich import stragglers
from worker.enrich.stragglers import PATIENCE, Hurried, patient

LEAST, SOON = 0.1, 0.02


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stragglers, "LEAST", LEAST)
    monkeypatch.setattr(stragglers, "SOON", SOON)


def test_all_but_the_last_quarter_are_waited_for() -> None:
    hurried = Hurried(100)
    assert hurried(100) == hurried(26) == PATIENCE
    assert hurried(25) < PATIENCE


def test_where_all_was_fast_the_last_have_little_time() -> None:
    hurried = Hurried(100)
    assert hurried(25) == pytest.approx(LEAST, abs=0.05)
    time.sleep(LEAST)
    assert hurried(10) == hurried(1) == SOON  # asked for late, since too much was unread


def test_where_all_is_slow_the_last_may_be_slow() -> None:
    hurried = Hurried(8)  # six come in 0.6 seconds, so one in 0.1
    time.sleep(0.6)
    assert hurried(2) == pytest.approx(0.3, abs=0.05)  # half the time before, less than four paces
    time.sleep(0.2)
    assert hurried(1) == pytest.approx(0.1, abs=0.05)


def test_a_pause_is_long_where_it_is_four_times_the_pace() -> None:
    hurried = Hurried(40)  # thirty come in 0.9 seconds, so one in 0.03
    time.sleep(0.9)
    assert hurried(10) == pytest.approx(0.12, abs=0.03)


@pytest.mark.parametrize("pictures", [1, 3])
def test_of_very_few_pictures_none_is_left(pictures: int) -> None:
    assert Hurried(pictures)(1) == PATIENCE


def test_who_is_patient_waits_for_any() -> None:
    assert patient(1) == patient(256) == PATIENCE
