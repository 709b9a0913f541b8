"""Waiting for what shall come to be: often looked at, with the patience of a busy machine."""

import time
from collections.abc import Callable

PATIENCE = 300.0  # seconds


def wait_for(holds: Callable[[], object], *, pause: float = 0.05) -> None:
    """Look until it holds, with so many seconds between two looks."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(pause)
