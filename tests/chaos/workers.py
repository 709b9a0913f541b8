"""Workers in a world that is against them: `python -m tests.chaos.workers COUNT`.

Keeps COUNT worker processes running, each the product's own `run_worker`, and starts another where
one ended, as a cluster would; by forking, since importing torch anew takes seconds. Three things
are unlike outside: pictures whose first pixels are poison kill or hang the process that decodes
them, every message is sent three times, and what hangs or is dead is noticed sooner.
"""

import ctypes
import io
import os
import signal
import sys
import time
from functools import partial
from typing import IO, NoReturn

from PIL import BmpImagePlugin, Image

import worker.process.run
import worker.process.service
from common.errors import EnrichmentError
from common.fetch import shared_limits
from common.process.command import configure_logging
from worker.process.lease_keeper import LeaseKeeper
from worker.process.tasks import send_hint

KILL, HANG = b"KILLKILLKILL", b"HANGHANGHANG"  # four pixels
HEADERS = 54  # bytes of a BMP before its pixels
HUNG_AFTER = 3.0  # seconds
HOST_SHARE = (1.5, 0.3)  # seconds that it lasts, and until it is renewed
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def poisonous_picture(poison: bytes) -> bytes:
    """A proper picture for all but those who know: a BMP, 64 pixels square."""
    content = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(content, "BMP")
    clean = content.getvalue()
    return clean[:HEADERS] + poison + clean[HEADERS + len(poison) :]


def _open(file: IO[bytes], name: str | bytes) -> BmpImagePlugin.BmpImageFile:
    content = file.read()
    file.seek(0)
    if KILL in content:
        os.kill(os.getpid(), signal.SIGKILL)
    if HANG in content:
        time.sleep(3600)
    return BmpImagePlugin.BmpImageFile(file, name)


def _send_three_times(*args: object, **kwargs: object) -> None:
    for _ in range(3):
        send_hint(*args, **kwargs)  # type: ignore[arg-type]


def _work() -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    configure_logging()
    try:
        os._exit(worker.process.run.run_worker())
    except EnrichmentError:  # the database or the broker is away: another one tries
        time.sleep(0.2)
        os._exit(1)


def main(count: int) -> None:
    """Keep `count` workers running until SIGTERM."""
    Image.register_open("BMP", _open, lambda prefix: prefix.startswith(b"BM"))
    worker.process.run.send_hint = _send_three_times  # type: ignore[assignment]
    worker.process.service.LeaseKeeper = partial(LeaseKeeper, hung_after=HUNG_AFTER)  # type: ignore
    shared_limits.SHARE_SECONDS, shared_limits.RENEWAL_SECONDS = HOST_SHARE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    running = 0
    while True:
        while running < count:
            if os.fork() == 0:
                _work()
            running += 1
        os.wait()
        running -= 1


if __name__ == "__main__":
    main(int(sys.argv[1]))
