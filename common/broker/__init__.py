"""The message broker, for those who send messages and those who work on them.

Messages are JSON and only hints: what is to be done is known elsewhere. So there is no result
backend, the broker retries nothing, and a lost or doubled message does no harm. Whoever reaches the
broker can send anything, so `messages` checks what comes, and nobody commands workers through it.
"""

import logging
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_shutting_down
from kombu import Connection, Queue
from kombu.common import Broadcast
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES
from redis.exceptions import NoPermissionError, ResponseError

from common.broker.redis_transport import CheckedRedisTransport
from common.broker.urls import read_broker_url
from common.errors import BrokerError, UsageError
from common.messages import CheckedConsumer, refuse_compression
from common.process.settings import BrokerSettings

VISIBILITY_TIMEOUT = 600  # seconds; what is delivered twice is claimed once
_REDIS_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "unacked_restore_limit": 10,  # at a time, since nothing is heard meanwhile
    "unacked_restore_throttle": 1,  # every ten seconds
    "queue_order_strategy": "round_robin",  # so that no queue waits for another to be empty
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "health_check_interval": 25,
}
_PROBE = "enrich.probe"  # a key of Redis
_AMQP_OPTIONS = {"confirm_publish": True}
_STEP_SECONDS = 1.0  # for each step of sending a wake-up, which is worth no long wait
_SENDING_ON_REDIS = {"socket_timeout": _STEP_SECONDS, "socket_connect_timeout": _STEP_SECONDS}
_SENDING_BY_AMQP = {
    "confirm_publish": False,
    "read_timeout": _STEP_SECONDS,
    "write_timeout": _STEP_SECONDS,
}


def create_app(
    name: str, settings: BrokerSettings, queues: Iterable[str], *, heard_by_all: str | None = None
) -> Celery:
    """A Celery application on the broker of the settings, without tasks.

    Args:
        name: what the names of its tasks begin with, before a dot; no message reaches others.
        heard_by_all: an exchange whose messages all processes get that listen at that moment.

    Raises:
        UsageError: BROKER_URL is malformed, or no URL of a broker that we know.
    """
    broker_url = read_broker_url(settings)
    on_redis = broker_url.on_redis
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = _path(CheckedRedisTransport)
    refuse_compression()
    app = Celery(name, broker=broker_url.url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_queues=[*_queues(queues, on_redis=on_redis), *_broadcast(heard_by_all)],
        worker_prefetch_multiplier=1,
        worker_consumer=_path(CheckedConsumer),
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_use_ssl=broker_url.tls,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # such as a broker that is full, or no longer the primary
        broker_transport_options=_REDIS_OPTIONS if on_redis else _AMQP_OPTIONS,
    )
    return app


def _queues(names: Iterable[str], *, on_redis: bool) -> Iterator[Queue]:
    for name in names:
        yield Queue(name, queue_arguments={} if on_redis else {"x-queue-type": "quorum"})


def _broadcast(exchange: str | None) -> Iterator[Broadcast]:
    """A queue of this process alone, whose messages are not kept for it while it is away."""
    if exchange is not None:
        yield Broadcast(exchange, routing_key=exchange, no_ack=True, durable=False)


def _path(named: type) -> str:
    return f"{named.__module__}:{named.__name__}"


def check_broker(app: Celery) -> None:
    """Make sure that the broker answers, and takes messages: Redis may be full, or a replica.

    Raises:
        BrokerError: it does not.
        UsageError: BROKER_URL names no database of Redis.
    """
    with _connection(app) as connection:
        if _is_on_redis(app):
            channel: Any = connection.default_channel
            with channel.conn_or_acquire() as client:
                _check_takes(client)


def _is_on_redis(app: Celery) -> bool:
    return bool(app.conf.broker_url.startswith("redis"))


def _check_takes(client: Any) -> None:
    try:
        with suppress(NoPermissionError):  # which says nothing of messages
            client.set(_PROBE, "", px=1)  # gone after a millisecond
    except ResponseError as error:  # it is full, cannot save, has too few replicas, or is one
        raise BrokerError(
            f"The broker at BROKER_URL takes no messages: {error}. Give it more memory or disk, or "
            "name the primary."
        ) from error


def count_waiting(app: Celery, queue: str) -> int:
    """How many messages of a queue nobody has taken yet.

    Raises:
        BrokerError: the broker does not answer.
    """
    with _connection(app) as connection:
        try:
            channel: Any = connection.default_channel  # each transport has a class of its own
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:  # there is none; in Redis, an empty one is no more
            return 0


def send_to_all(app: Celery, task: str) -> None:
    """Send a message without content to all processes that listen; one try of about 3 seconds.

    Raises:
        BrokerError: the broker does not answer.
        UsageError: BROKER_URL names no database of Redis.
    """
    (heard_by_all,) = (each for each in app.conf.task_queues if isinstance(each, Broadcast))
    options = _SENDING_ON_REDIS if _is_on_redis(app) else _SENDING_BY_AMQP
    short = {"connect_timeout": _STEP_SECONDS, "transport_options": options}
    with _connection(app, tries=1, **short) as connection:
        app.send_task(
            task,
            connection=connection,
            queue=heard_by_all.exchange.name,
            declare=[heard_by_all.exchange],  # not the queue: the sender does not listen
            retry=False,
        )


@contextmanager
def _connection(app: Celery, *, tries: int = 2, **options: Any) -> Iterator[Connection]:
    connection = app.connection_for_write(**options)
    away: tuple[type[BaseException], ...] = (OperationalError, *connection.connection_errors)
    try:
        with connection:
            connection.ensure_connection(max_retries=tries - 1, timeout=5)
            yield connection
    except away as error:
        raise BrokerError(f"The broker at BROKER_URL cannot be reached: {error}") from error
    except ValueError as error:
        raise UsageError(f"BROKER_URL names no database of the broker: {error}") from error


def work(
    app: Celery,
    *,
    threads: int,
    on_stop: Callable[[], None],
    on_start: Callable[[], None] = lambda: None,
) -> int:
    """Run the tasks of an application as messages come, until SIGTERM or Ctrl-C; both are the same.

    Args:
        threads: tasks in work at a time.
        on_start: called once signals are heeded, whether or not the broker is there.
        on_stop: called when the process is to end; tasks in work are then waited for.

    Returns:
        The exit code.
    """
    # Here, since those who only send messages need not load it.
    from celery.apps.worker import install_worker_term_handler  # type: ignore[attr-defined]

    def stop(**_: Any) -> None:
        on_stop()

    class Worker(app.Worker):  # type: ignore[misc,name-defined]  # made for each application
        def on_start(self) -> None:
            super().on_start()
            on_start()

        def install_platform_tweaks(self, worker: Any) -> None:
            super().install_platform_tweaks(worker)
            # Celery would print lines that are no JSON; `on_stop` logs the same.
            install_worker_term_handler(worker, verbose=False)
            signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))

    worker_shutting_down.connect(stop)
    setup_logging.connect(_keep_logging)
    # Of superusers, who could be harmed by pickled messages; ours are JSON.
    warnings.filterwarnings("ignore", module=r"celery\.(apps\.worker|platforms)")
    worker = Worker(
        pool="threads",
        concurrency=threads,
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return worker.exitcode or 0


def _keep_logging(**_: Any) -> None:
    """Celery, once asked, leaves the logging as it is; else it would drop what is no warning."""
    logging.getLogger("celery").setLevel(logging.WARNING)
