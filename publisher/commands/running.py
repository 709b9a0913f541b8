"""`publisher run`: a process that does what the desk asks for."""

import signal
import threading

import structlog

from common.errors import EnrichmentError, KeyRefusedError
from common.process.database_trouble import AWAY, trouble
from common.process.terminal.progress import progress
from common.publishing.plans import plans_to_check, plans_to_send
from common.publishing.withdrawals import queue_withdrawals
from publisher.commands.opening import Publishing, publishing
from publisher.commands.sending import send_plan
from publisher.commands.withdrawing import withdraw_queued
from publisher.work.already_said import check_plan
from publisher.work.syncing import sync

LOOK_SECONDS = 5.0  # between two looks for plans and withdrawals
SYNC_LOOKS = 720  # looks between two readings of what others did: an hour

log = structlog.get_logger()


def run() -> None:
    """Check and send the plans of the desk, and withdraw statements that may no longer be
    published.

    Every hour, it reads which statements others deleted or reported at Europeana. To stop it, use
    Ctrl-C or SIGTERM. It finishes its current requests first.

    Example: publisher run
    """
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: _interrupt(stopping))
    with publishing() as opened:
        looks = 0
        while not stopping.is_set():
            _look(opened, sync_too=looks % SYNC_LOOKS == 0)
            looks += 1
            stopping.wait(LOOK_SECONDS)


def _interrupt(stopping: threading.Event) -> None:
    stopping.set()
    raise KeyboardInterrupt


def _look(opened: Publishing, *, sync_too: bool) -> None:
    try:
        _work(opened, sync_too=sync_too)
    except KeyRefusedError:
        raise
    except EnrichmentError as error:
        log.warning("Publishing is interrupted. The publisher tries again.", problem=str(error))
    except AWAY as error:
        log.warning(f"{trouble(error)}; the program tries again")


def _work(opened: Publishing, *, sync_too: bool) -> None:
    if sync_too:
        sync(opened.engine, opened.annotations)
    with opened.engine.begin() as connection:
        queue_withdrawals(connection)
        unchecked, asked_for = plans_to_check(connection), plans_to_send(connection)
    withdraw_queued(opened)
    for number in unchecked:
        with progress("asked Europeana") as report:
            check_plan(opened.engine, opened.search, opened.annotations, number, report)
    for number in asked_for:
        sent = send_plan(opened, number)
        log.info("plan sent", plan=number, posted=sent.posted, refused=sent.refused)
