"""The Celery application: how messages travel. What they mean is in `tasks`.

Messages are JSON and only hints: the store knows what is to be done, so no result backend, no
retries by the broker, and a lost or doubled message does no harm.
"""

from celery import Celery
from kombu import Queue

from worker.settings import BrokerSettings

RUN_CHUNK = "worker.run_chunk"
SUBMIT = "worker.submit"
URGENT_QUEUE = "enrich.urgent"
BULK_QUEUE = "enrich.bulk"
SUBMIT_QUEUE = "enrich.submit"

VISIBILITY_TIMEOUT = 600  # seconds; a chunk delivered twice is claimed once
_REDIS_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "queue_order_strategy": "round_robin",  # so that no queue waits for another to be empty
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "health_check_interval": 25,
}
_AMQP_OPTIONS = {"confirm_publish": True}


def queue_of(priority: str) -> str:
    """The queue for hints of a job of this priority."""
    return URGENT_QUEUE if priority == "urgent" else BULK_QUEUE


def create_app(settings: BrokerSettings) -> Celery:
    """A Celery application on the broker of the settings, without tasks."""
    url = settings.broker_url.get_secret_value()
    on_redis = url.startswith("redis")
    app = Celery("worker", broker=url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_queues=[
            Queue(name, queue_arguments={} if on_redis else {"x-queue-type": "quorum"})
            for name in (URGENT_QUEUE, BULK_QUEUE, SUBMIT_QUEUE)
        ],
        task_routes={SUBMIT: {"queue": SUBMIT_QUEUE}},
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_REDIS_OPTIONS if on_redis else _AMQP_OPTIONS,
    )
    return app
