"""Waking idle workers from a process that is none, such as a command or the desk."""

from functools import lru_cache
from threading import Thread
from typing import TYPE_CHECKING

import structlog

from common.errors import UsageError
from common.process.settings import BrokerSettings

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger()


def check_broker_setting() -> None:
    """Called before something is done that workers are to be woken for.

    Raises:
        UsageError: BROKER_URL is set and malformed.
    """
    _app()


def wake_workers() -> None:
    """Have idle workers look for a new job at once, where BROKER_URL is set.

    Nothing depends on it: without a wake-up they find the job within WORKER_ASK_SECONDS. So
    whatever is wrong is a line in the log.
    """
    try:
        app = _app()
    except UsageError as error:
        log.warning("idle workers were not woken; they look for work by themselves", why=str(error))
        return
    if app is not None:
        from worker.process.tasks import send_wake_up

        send_wake_up(app)


def wake_workers_soon() -> None:
    """The same for who cannot wait for a broker that does not answer."""
    Thread(target=wake_workers, name="wake", daemon=True).start()


def _app() -> "Celery | None":
    try:
        settings = BrokerSettings.read()
    except UsageError:
        return None
    return _app_at(settings)


@lru_cache(maxsize=1)
def _app_at(settings: BrokerSettings) -> "Celery | None":
    try:
        from worker.process.tasks import create_app  # an extra, and slow to load
    except ModuleNotFoundError:
        return None
    return create_app(settings)
