"""Twenty image hosts, one of which answers after 8 s and one not at all: do the others wait?

    python -m benchmarks.slow_hosts [--pictures 4000] [--rounds 3]

Each round fetches the pictures of all twenty hosts, until those of the eighteen sound ones are
there, and then those of the eighteen alone. What a host saw is counted at the server.
"""

import argparse
import time
from collections.abc import Mapping
from contextlib import closing
from statistics import median

from benchmarks.parts.picture_server import (
    NEVER,
    PictureServer,
    ServerOptions,
    host_address,
    picture_server,
)
from benchmarks.parts.report import at_most, finish
from common.errors import RecordError
from common.fetch.addresses import AddressPolicy
from common.fetch.client import PictureFetcher
from common.fetch.download import fetch_all
from common.fetch.host_limits import HostLimits, LocalHostLimiter

HOSTS = 20
SLOW, SILENT = 0, 1  # numbers of hosts
SLOW_SECONDS = 8.0
LIMITS = HostLimits(max_concurrent=2, requests_per_second=15.0)
MEAN_BYTES = 100_000


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    delays = {host_address(SLOW): SLOW_SECONDS, host_address(SILENT): NEVER}
    options = ServerOptions(hosts=HOSTS, mean_bytes=MEAN_BYTES, fault_share=0.0, delays=delays)
    sound = [number for number in range(chosen.pictures) if number % HOSTS not in (SLOW, SILENT)]
    with_them, without = [], []
    most: dict[str, float] = {"most_at_once": 0, "most_a_second": 0}
    for _ in range(chosen.rounds):
        with picture_server(options) as server:
            with_them.append(_seconds(server, range(chosen.pictures), until=len(sound)))
            most = _most(most, server.seen())
        with picture_server(options) as server:
            without.append(_seconds(server, sound, until=len(sound)))
            most = _most(most, server.seen())
    figures = {
        "pictures": chosen.pictures,
        "seconds_with_slow_hosts": median(with_them),
        "seconds_without": median(without),
        "times_longer": median(with_them) / median(without),
        **most,
    }
    bars = {
        "times_longer": at_most(1.3),
        "most_at_once": at_most(LIMITS.max_concurrent),
        "most_a_second": at_most(1.1 * LIMITS.requests_per_second),  # as they arrive, over 2 s
    }
    finish(figures=figures, bars=bars)


def _seconds(server: PictureServer, numbers: list[int] | range, *, until: int) -> float:
    """How long it takes until so many pictures of sound hosts are there."""
    policy = AddressPolicy.parse("127.0.0.0/8")
    items = ((number, server.url(number)) for number in numbers)
    arrived = 0
    began = time.monotonic()
    with PictureFetcher(user_agent="benchmark", policy=policy) as fetcher:
        limiter = LocalHostLimiter(LIMITS)
        with closing(fetch_all(items, fetcher=fetcher, limiter=limiter)) as outcomes:
            for outcome in outcomes:
                if outcome.key % HOSTS in (SLOW, SILENT):
                    continue
                if isinstance(outcome.result, RecordError):
                    raise outcome.result
                arrived += 1
                if arrived == until:
                    return time.monotonic() - began
    raise SystemExit(f"only {arrived} of {until} pictures arrived")


def _most(so_far: Mapping[str, float], seen: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The highest figures of any host until now."""
    return {name: max([most, *(host[name] for host in seen.values())])
            for name, most in so_far.items()}  # fmt: skip


if __name__ == "__main__":
    main()
