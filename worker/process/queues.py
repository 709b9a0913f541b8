"""The Celery application of the worker: its queues. What the messages mean is in `tasks`."""

from celery import Celery

from common import broker
from common.process.settings import BrokerSettings

RUN_CHUNK = "worker.run_chunk"
SUBMIT = "worker.submit"
URGENT_QUEUE = "enrich.urgent"
BULK_QUEUE = "enrich.bulk"
SUBMIT_QUEUE = "enrich.submit"


def queue_of(priority: str) -> str:
    """The queue for hints of a job of this priority."""
    return URGENT_QUEUE if priority == "urgent" else BULK_QUEUE


def create_app(settings: BrokerSettings) -> Celery:
    """A Celery application on the broker of the settings, without tasks."""
    app = broker.create_app("worker", settings, (URGENT_QUEUE, BULK_QUEUE, SUBMIT_QUEUE))
    app.conf.update(task_routes={SUBMIT: {"queue": SUBMIT_QUEUE}}, task_acks_late=True)
    return app
