"""Lists of record IDs, and messages that are none, sent to the broker."""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis
from celery import Celery

from deploy.local import Services
from worker.process.list_program import SUBMIT, SUBMIT_QUEUE

_ODD = {"lang": "py", "task": SUBMIT}  # headers without an ID, which ends who takes the message


def send_list(broker_url: str, ids: Sequence[str], **options: str) -> None:
    """Send a list as another system does."""
    with Celery(broker=broker_url, set_as_current=False) as client:
        client.conf.task_create_missing_queue_type = "quorum"  # with amqp:// only
        client.send_task(SUBMIT, args=[list(ids)], kwargs=options, queue=SUBMIT_QUEUE)


@contextmanager
def valkey_of(services: Services) -> Iterator["redis.Redis"]:
    """A client of the tests' broker."""
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        yield client


def odd_message() -> str:
    """A message that comes back to the front of its queue each time, as kombu keeps it in Redis."""
    properties = {
        "delivery_info": {"exchange": "", "routing_key": SUBMIT_QUEUE},
        "body_encoding": "base64",
        "delivery_tag": "odd",
    }
    return json.dumps(
        {
            "body": base64.b64encode(b"[[], {}, {}]").decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": _ODD,
            "properties": properties,
        }
    )
