"""What is loaded once and shared: by its users while they use it, and for a while after them."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Loaded = TypeVar("Loaded")


class _Place(Generic[Loaded]):
    """A place for one thing: its first user loads it, and its other users wait."""

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.loaded: Loaded | None = None
        self.users = 0


class Places(Generic[Loaded]):
    """Things in use, and `at_most` so many in all while some are not in use.

    The longest unused goes first. While one thing is loaded, users of others go on.
    """

    def __init__(self, at_most: int, drop: Callable[[Loaded], None]) -> None:
        self._at_most = at_most
        self._drop = drop
        self._places: dict[Hashable, _Place[Loaded]] = {}
        self._lock = threading.Lock()

    @property
    def has_any(self) -> bool:
        with self._lock:
            return any(place.loaded for place in self._places.values())

    @contextmanager
    def use(self, key: Hashable, load: Callable[[], Loaded]) -> Iterator[Loaded]:
        """The thing, loaded if it is not; it stays until the block ends."""
        with self._lock:
            place = self._places.pop(key, None) or _Place()
            self._places[key] = place  # at the end: the order is that of the last use
            place.users += 1
            dropped = self._take_unused()
        for each in dropped:
            self._drop(each)
        try:
            with place.loading:
                place.loaded = loaded = place.loaded or load()
            yield loaded
        finally:
            with self._lock:
                place.users -= 1

    def close(self) -> None:
        """Drop everything; nothing may be in use."""
        with self._lock:
            for place in self._places.values():
                if place.loaded:
                    self._drop(place.loaded)
            self._places.clear()

    def _take_unused(self) -> list[Loaded]:
        unused = [key for key, place in self._places.items() if not place.users]
        surplus = max(0, len(self._places) - self._at_most)
        taken = [self._places.pop(key) for key in unused[:surplus]]
        return [place.loaded for place in taken if place.loaded]
