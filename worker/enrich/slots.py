"""What is loaded once and shared: by its users while they use it, and for a while after them."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Loaded = TypeVar("Loaded")


class _Slot(Generic[Loaded]):
    """A slot for one thing: its first user loads it, and its other users wait."""

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.loaded: Loaded | None = None
        self.users = 0


class Slots(Generic[Loaded]):
    """Things in use, and `at_most` so many in all while some are not in use.

    The longest unused goes first. While one thing is loaded, users of others go on.
    """

    def __init__(self, at_most: int, drop: Callable[[Loaded], None]) -> None:
        self._at_most = at_most
        self._drop = drop
        self._slots: dict[Hashable, _Slot[Loaded]] = {}
        self._lock = threading.Lock()

    @property
    def has_any(self) -> bool:
        with self._lock:
            return any(slot.loaded for slot in self._slots.values())

    @contextmanager
    def use(self, key: Hashable, load: Callable[[], Loaded]) -> Iterator[Loaded]:
        """The thing, loaded if it is not; it stays until the block ends."""
        with self._lock:
            slot = self._slots.pop(key, None) or _Slot()
            self._slots[key] = slot  # at the end: the order is that of the last use
            slot.users += 1
            dropped = self._take_unused()
        for each in dropped:
            self._drop(each)
        try:
            with slot.loading:
                slot.loaded = loaded = slot.loaded or load()
            yield loaded
        finally:
            with self._lock:
                slot.users -= 1

    def close(self) -> None:
        """Drop everything; nothing may be in use."""
        with self._lock:
            for slot in self._slots.values():
                if slot.loaded:
                    self._drop(slot.loaded)
            self._slots.clear()

    def _take_unused(self) -> list[Loaded]:
        unused = [key for key, slot in self._slots.items() if not slot.users]
        surplus = max(0, len(self._slots) - self._at_most)
        taken = [self._slots.pop(key) for key in unused[:surplus]]
        return [slot.loaded for slot in taken if slot.loaded]
