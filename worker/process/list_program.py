"""The program that takes lists of record IDs from the broker, as `worker run` starts it.

It loads no torch, and has one connection to the store. Standard input ends with the worker, and
this program with it. It writes a byte to standard output for each list that it accepted
(`worker/process/list_taker.py`).
"""

import os
import signal
import sys
import time
from functools import cache
from threading import Event, Thread
from typing import Any, NoReturn

import structlog
from celery import Celery, Task
from celery.exceptions import Reject
from sqlalchemy import Engine

from common.broker import create_app, work
from common.broker.arguments import by_name
from common.errors import StoreError
from common.process.database_trouble import AWAY, trouble
from common.process.log import configure_logging
from common.process.settings import BrokerSettings
from common.store.session import open_store
from worker.process.submissions import Submission, accept_submitted

SUBMIT = "worker.submit"
SUBMIT_QUEUE = "enrich.submit"
AGAIN_SECONDS = 10.0  # between two tries to accept a list while the database is away
END_SECONDS = 10.0  # from the end of standard input

log = structlog.get_logger()


def take_lists(worker: int) -> int:
    """Accept lists as they come; `worker` is the file that hears of each. Returns the exit code."""
    app, stopping = create_app("worker", BrokerSettings.read(), [SUBMIT_QUEUE]), Event()
    # Kombu takes many an odd message for a lost connection, and would connect again without end.
    app.conf.broker_connection_retry = False
    # One more than is worked on. A list whose receipt a dying broker never got takes a place for
    # good: without another one, Celery would listen no more, and never notice that it is alone.
    app.conf.worker_prefetch_multiplier = 2

    @app.task(name=SUBMIT, bind=True, acks_late=True)  # a list is not in the store before
    def submit(self: Task[Any, Any], /, *args: object, **kwargs: object) -> None:
        message = by_name(args, kwargs, Submission)
        if message.get("idempotency_key") is None:
            message["idempotency_key"] = f"message {self.request.id}"
        while True:
            try:
                if accept_submitted(_store(), message):
                    os.write(worker, b".")
            except (*AWAY, StoreError) as error:
                problem = trouble(error) if isinstance(error, AWAY) else str(error)
                log.warning("a list waits for the database", problem=problem)
                if stopping.wait(AGAIN_SECONDS):
                    raise Reject(problem, requeue=True) from error
            else:
                return

    return _work(app, stopping)


def _work(app: Celery, stopping: Event) -> int:
    Thread(target=_end_with_worker, daemon=True).start()
    return work(app, threads=1, on_stop=stopping.set)


def _end_with_worker() -> NoReturn:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_SECONDS)
    os._exit(1)


@cache
def _store() -> Engine:
    return open_store(connections=1)


def main() -> None:
    configure_logging()
    worker = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Celery says of its end
    sys.exit(take_lists(worker))


if __name__ == "__main__":
    main()
