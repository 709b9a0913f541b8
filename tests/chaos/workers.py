"""Workers in a world that is against them: as many as the first argument says.

Keeps that many worker processes running, each the product's own `run_worker`, and starts another
where one ended, as a cluster would; by forking, since importing torch anew takes seconds. Three
things are unlike outside. Pictures whose first pixels are poison kill or hang the worker, as
libraries may; decoders are processes of their own. What hangs or is dead is noticed sooner. Who
claims a chunk while there is the file FREEZE_FILE stops itself before its COMMIT.
"""

import ctypes
import io
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql import psycopg2

import worker.process.run
import worker.process.service
from common.errors import EnrichmentError
from common.fetch import shared_limits
from common.pictures.decoders import Decoders
from common.process.log import configure_logging
from common.store import session
from worker.ledger import chunks
from worker.process.lease_keeper import LeaseKeeper

KILL, HANG = b"KILLKILLKILL", b"HANGHANGHANG"  # four pixels
HEADERS = 54  # bytes of a BMP before its pixels
HUNG_AFTER = 3.0  # seconds
HOST_SHARE = (1.5, 0.3)  # seconds that it lasts, and until it is renewed
LIMITS = session.TimeLimits(lock=10, pause=2)  # seconds
FREEZE_FILE = "CHAOS_FREEZE_FILE"  # variable with a path; who stops appends its process ID
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def poisonous_picture(poison: bytes) -> bytes:
    """A proper picture for all but those who know: a BMP, 64 pixels square."""
    content = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(content, "BMP")
    clean = content.getvalue()
    return clean[:HEADERS] + poison + clean[HEADERS + len(poison) :]


def _pixels(decoders: Decoders, content: bytes, *asked: Any, **how: Any) -> Any:
    if KILL in content:
        os.kill(os.getpid(), signal.SIGKILL)
    if HANG in content:
        time.sleep(3600)
    return pixels(decoders, content, *asked, **how)


pixels = Decoders.pixels


def _freeze_after_claim(*event: object) -> None:
    """See SQLAlchemy's `after_cursor_execute`."""
    statement, cursor = str(event[2]), event[1]
    if statement != str(chunks._CLAIM.compile(dialect=psycopg2.dialect())) or not cursor.rowcount:
        return
    asked = Path(os.environ[FREEZE_FILE])
    with suppress(FileNotFoundError):
        asked.rename(f"{asked}.{os.getpid()}")  # one worker does it
        os.kill(os.getpid(), signal.SIGSTOP)


def _work() -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    configure_logging()
    try:
        os._exit(worker.process.run.run_worker())
    except EnrichmentError:  # the database or the broker is away: another one tries
        time.sleep(0.2)
        os._exit(1)


def main() -> None:
    """Keep as many workers running as the first argument says, until SIGTERM."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    count = int(sys.argv[1])
    Decoders.pixels = _pixels  # type: ignore[method-assign]
    worker.process.service.LeaseKeeper = partial(LeaseKeeper, hung_after=HUNG_AFTER)  # type: ignore
    event.listen(Engine, "after_cursor_execute", _freeze_after_claim)
    session.LIMITS = LIMITS
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
