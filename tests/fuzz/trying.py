"""One input after the other, until the time is over."""

import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fuzz.mutating import mutated

SECONDS = float(os.environ.get("FUZZ_SECONDS") or 8)
SEED = int(os.environ.get("FUZZ_SEED") or 0)
TIMEOUT = SECONDS + 600  # of a test: a hang ends


def try_mutations(
    seeds: Sequence[bytes], try_one: Callable[[bytes], None], *, seconds_each: float
) -> None:
    """Try the seeds, and mutations of them for SECONDS seconds.

    Args:
        try_one: raises what must not be raised; swallows our own errors.
        seconds_each: how long one may take at most, by the clock.
    """
    chance = random.Random(SEED)
    pool = list(seeds)
    ends_at = time.monotonic() + SECONDS
    tried = 0
    while tried < len(seeds) or time.monotonic() < ends_at:
        content = (
            seeds[tried] if tried < len(seeds) else mutated(chance.choice(pool), seeds, chance)
        )
        tried += 1
        began = time.monotonic()
        try:
            try_one(content)
            took = time.monotonic() - began
            assert took < seconds_each, f"it took {took:.1f} s"
        except BaseException as error:
            error.add_note(f"input {tried:,} of FUZZ_SEED={SEED}, kept in {_kept(content)}")
            raise
        if chance.random() < 0.01:  # now and then a mutation of mutations
            pool[chance.randrange(len(seeds), len(pool) + 1) :] = [content]


def _kept(content: bytes) -> Path:
    with tempfile.NamedTemporaryFile(prefix="fuzz-", dir="/tmp", delete=False) as file:
        file.write(content)
    return Path(file.name)
