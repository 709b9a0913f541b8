"""Turns on cores: no more at once than there are, by rank, and nobody waits for ever."""

import os
import threading
import time
from pathlib import Path

import pytest

from common.process import cores
from common.process.cores import Cores, available_cores


def queue_up(shared: Cores, ranks: list[float], taken: list[float]) -> list[threading.Thread]:
    """Threads that wait for a turn in this order, and note their rank when they have it."""

    def work(rank: float) -> None:
        with shared.turn(rank):
            taken.append(rank)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in ranks]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    return threads


def test_no_more_compute_at_once_than_there_are_cores() -> None:
    shared = Cores(2)
    counted = threading.Lock()
    running, most = 0, 0

    def work() -> None:
        nonlocal running, most
        for _ in range(20):
            with shared.turn():
                with counted:
                    running += 1
                    most = max(most, running)
                time.sleep(0.001)
                with counted:
                    running -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_the_lowest_rank_is_next() -> None:
    shared = Cores(1)
    taken: list[float] = []
    with shared.turn():
        threads = queue_up(shared, [3.0, 1.0, 2.0], taken)
        assert not taken
    for thread in threads:
        thread.join()
    assert taken == [1.0, 2.0, 3.0]


def test_who_has_waited_for_long_precedes_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "LONGEST_WAIT", 0.2)
    shared = Cores(1)
    taken: list[float] = []
    with shared.turn():
        threads = queue_up(shared, [9.0], taken)
        time.sleep(0.3)
        threads += queue_up(shared, [1.0], taken)
    for thread in threads:
        thread.join()
    assert taken == [9.0, 1.0]


def test_an_error_gives_the_turn_back() -> None:
    shared = Cores(1)
    with pytest.raises(ZeroDivisionError), shared.turn():
        raise ZeroDivisionError
    with shared.turn():
        pass


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("max 100000\n", None),
        ("nonsense\n", None),
        (None, None),
    ],
)
def test_a_container_uses_no_more_cores_than_its_limit_allows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str | None, most: int | None
) -> None:
    monkeypatch.setattr(cores, "CPU_LIMIT", tmp_path / "cpu.max")
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit)
    there = len(os.sched_getaffinity(0))
    assert available_cores() == min(there, most or there)
