"""No message makes a worker send another one: by no task of Celery's, and by no header."""

import json
import subprocess
from collections.abc import Iterator

import pytest
import redis
from celery import Celery

from deploy.local import Services
from tests.common.test_messages import QUEUE, WORKER, envelope, running

Process = subprocess.Popen[str]
ELSEWHERE = "elsewhere"
SENT = {"task": "probe.sent", "args": [], "kwargs": {}, "options": {"queue": ELSEWHERE}}
TASKS_OF_CELERY = {
    "celery.accumulate": [[1], {}],
    "celery.backend_cleanup": [[], {}],
    "celery.chain": [[], {}],
    "celery.chord": [[[SENT], SENT], {}],
    "celery.chord_unlock": [["group", SENT], {"result": [[["1", None], None]], "interval": 0}],
    "celery.chunks": [[SENT, [[1]], 1], {}],
    "celery.group": [[[SENT], ["group", None], "group", []], {}],
    "celery.map": [[{"task": "probe.task"}, [1]], {}],
    "celery.starmap": [[{"task": "probe.task"}, [[1]]], {}],
}


@pytest.fixture
def worker(broker_url: str) -> Iterator[Process]:
    """A process that prints the arguments of its tasks."""
    with running(WORKER) as process:
        yield process


@pytest.fixture
def client(services: Services) -> Iterator["redis.Redis"]:
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        yield client


def answer(worker: Process, client: "redis.Redis", *messages: str) -> str:
    """What the worker says after these messages."""
    client.lpush(QUEUE, *messages)
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def test_the_tasks_of_celery_are_known_here() -> None:
    with Celery() as app:
        assert set(app.tasks) == set(TASKS_OF_CELERY)


def test_no_message_reaches_a_task_of_celery(worker: Process, client: "redis.Redis") -> None:
    messages = [
        envelope(json.dumps([*body, None]).encode(), task=name)
        for name, body in TASKS_OF_CELERY.items()
    ]
    assert answer(worker, client, *messages, envelope(b'[["last"], {}, {}]')) == "last"
    assert float(answer(worker, client, envelope(task="probe.refused"))) == len(messages)
    assert client.llen(ELSEWHERE) == client.llen(QUEUE) == 0


@pytest.mark.parametrize("task", ["probe.task", "probe.again", "probe.fails"])
def test_a_header_has_nothing_sent_anywhere(
    worker: Process, client: "redis.Redis", task: str
) -> None:
    body = json.dumps([["done"], {}, None]).encode()
    asking = [
        *({name: [SENT]} for name in ("callbacks", "errbacks", "chain", "link", "link_error")),
        {"chord": SENT, "group_index": 0},
        {"reply_to": ELSEWHERE, "ignore_result": False},
        {"delivery_info": {"queue": ELSEWHERE}},
        {"stamped_headers": ["queue"], "stamps": {"queue": ELSEWHERE}},
        {"get": 1, "clear": 1, "children": 1},
    ]
    messages = [envelope(body, task=task, queue=ELSEWHERE, **each) for each in asking]
    for message in messages:
        assert answer(worker, client, message) == "done", message
    assert answer(worker, client, envelope(b'[["last"], {}, {}]')) == "last"
    assert client.llen(ELSEWHERE) == client.llen(QUEUE) == 0
