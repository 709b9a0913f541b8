"""What is loaded once and shared, and which of it goes when there is too much."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.enrich.slots import Slots


def test_the_longest_unused_goes_and_what_is_used_stays() -> None:
    dropped: list[str] = []
    slots: Slots[str] = Slots(2, dropped.append)
    with slots.use("a", lambda: "a"):
        for name in "bcd":
            with slots.use(name, lambda name=name: name):  # type: ignore[misc]
                pass
        assert dropped == ["b", "c"]
    with slots.use("e", lambda: "e"):
        pass
    assert dropped == ["b", "c", "a"]
    slots.close()
    assert dropped == ["b", "c", "a", "d", "e"]


def test_one_of_many_users_loads() -> None:
    loads: list[int] = []

    def load() -> int:
        loads.append(1)
        return len(loads)

    slots: Slots[int] = Slots(1, lambda _: None)

    def use(_: int) -> int:
        with slots.use("one", load) as found:
            return found

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(use, range(100))) == {1}
    assert slots.has_any


def test_a_failed_load_is_tried_again() -> None:
    slots: Slots[int] = Slots(1, lambda _: None)
    with pytest.raises(ZeroDivisionError), slots.use("one", lambda: 1 // 0):
        pass
    assert not slots.has_any
    with slots.use("one", lambda: 7) as found:
        assert found == 7
