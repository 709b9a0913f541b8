"""The message broker: an inner network, by which lists of records and hints at folds come.

Its password gives power over its availability, and over no data. So messages are
JSON, they reach our own tasks only, each task checks its arguments, and no message commands workers
through the broker. There is no result backend, and the broker retries nothing.
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_shutting_down
from kombu import Connection, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError, ResponseError

from common.broker.broker_url import read_broker_url
from common.errors import BrokerError, UsageError
from common.process.settings import BrokerSettings

_REDIS_OPTIONS = {
    "visibility_timeout": 600,  # seconds, until what a dead process had is delivered again
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "health_check_interval": 25,
}
_PROBE = "enrich.probe"  # a key of Redis
_AMQP_OPTIONS = {"confirm_publish": True}
_CELERYS_TASKS = "celery."  # what their names begin with; some send messages on to any queue


def create_app(name: str, settings: BrokerSettings, queues: Iterable[str]) -> Celery:
    """A Celery application on the broker of the settings, without tasks.

    Raises:
        UsageError: BROKER_URL is malformed, or no URL of a broker that we know.
    """
    broker_url = read_broker_url(settings)
    on_redis = broker_url.on_redis
    arguments = {} if on_redis else {"x-queue-type": "quorum"}
    app = Celery(name, broker=broker_url.url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_queues=[Queue(each, queue_arguments=arguments) for each in queues],
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_use_ssl=broker_url.tls,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # such as a broker that is no longer the primary
        broker_transport_options=_REDIS_OPTIONS if on_redis else _AMQP_OPTIONS,
    )
    for task in [task for task in app.tasks if task.startswith(_CELERYS_TASKS)]:
        app.tasks.unregister(task)
    return app


def check_broker(settings: BrokerSettings) -> None:
    """Make sure that the broker answers, and takes messages: Redis may be full, or a replica.

    Raises:
        BrokerError: it does not.
        UsageError: BROKER_URL is malformed, or no URL of a broker that we know.
    """
    broker_url = read_broker_url(settings)
    options = _REDIS_OPTIONS if broker_url.on_redis else _AMQP_OPTIONS
    with _reached(
        Connection(broker_url.url, ssl=broker_url.tls, transport_options=options)
    ) as connection:
        if broker_url.on_redis:
            channel: Any = connection.default_channel  # each transport has a class of its own
            _check_takes(channel.client)


def _check_takes(client: Any) -> None:
    try:
        with suppress(NoPermissionError):  # which says nothing of messages
            client.set(_PROBE, "", px=1)  # gone after a millisecond
    except ResponseError as error:  # it is full, cannot save, has too few replicas, or is one
        raise BrokerError(
            f"The broker at BROKER_URL does not accept messages: {str(error).rstrip('.')}. "
            "Give the broker more memory or disk space, or set BROKER_URL to the primary server."
        ) from error


def count_waiting(app: Celery, queue: str) -> int:
    """How many messages of a queue no program has taken yet.

    Raises:
        BrokerError: the broker does not answer.
    """
    with _reached(app.connection_for_write()) as connection:
        try:
            channel: Any = connection.default_channel
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:  # there is none; in Redis, an empty one is no more
            return 0


@contextmanager
def _reached(connection: Connection) -> Iterator[Connection]:
    away: tuple[type[BaseException], ...] = (OperationalError, *connection.connection_errors)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, timeout=5)
            yield connection
    except away as error:
        raise BrokerError(f"The broker at BROKER_URL cannot be reached: {error}") from error
    except ValueError as error:
        raise UsageError(f"The broker does not have the database in BROKER_URL: {error}") from error


def work(app: Celery, *, threads: int, on_stop: Callable[[], None]) -> int:
    """Run the tasks of an application as messages come, until SIGTERM or Ctrl-C.

    Args:
        threads: tasks in work at a time.
        on_stop: called when the process is to end; tasks in work are then waited for.

    Returns:
        The exit code.
    """

    def stop(**_: Any) -> None:
        on_stop()

    worker_shutting_down.connect(stop)
    setup_logging.connect(_keep_logging)
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_leave_body_out)
    # Of superusers, who could be harmed by pickled messages; ours are JSON.
    warnings.filterwarnings("ignore", module=r"celery\.(apps\.worker|platforms)")
    worker = app.Worker(
        pool="threads",
        concurrency=threads,
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return worker.exitcode or 0


def _leave_body_out(record: logging.LogRecord) -> bool:
    """Of a message that is none of ours Celery logs the whole, and it may hold secrets."""
    consumer = import_module("celery.worker.consumer.consumer")  # slow to load
    with_body = {
        *(consumer.UNKNOWN_FORMAT, consumer.UNKNOWN_TASK_ERROR),
        *(consumer.INVALID_TASK_ERROR, consumer.MESSAGE_DECODE_ERROR),
    }
    if record.msg in with_body:
        record.msg = "a message was refused and deleted: it is no task of ours, or cannot be read"
        record.args, record.exc_info = (), None
    return True


def _keep_logging(**_: Any) -> None:
    """Celery, once asked, leaves the logging as it is; else it would drop what is no warning."""
    logging.getLogger("celery").setLevel(logging.WARNING)
