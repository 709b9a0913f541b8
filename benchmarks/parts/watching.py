"""Repeated readings while a benchmark works."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def watching(look: Callable[[], None], *, per_second: float) -> Iterator[None]:
    """Call `look` at this rate, in its own thread, until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1 / per_second):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def pss_gib(process_id: int) -> float:
    """The memory of a process and its descendants; shared memory counts once."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    family = {process_id}
    while added := {each for each, parent in parents.items() if parent in family} - family:
        family |= added
    kib = 0
    for each in family:
        with suppress(OSError, ValueError, IndexError):  # it has ended
            rolled = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
            kib += int(rolled.split("\nPss:")[1].split()[0])
    return kib / (1 << 20)
