"""What strangers send: refused where it is malformed, and known by its names where it is not."""

import base64
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from celery import Celery
from pydantic import BaseModel, ConfigDict, ValidationError

from common.messages import by_name, first_problem
from deploy.local import Services


class Submission(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    record_ids: list[str]
    idempotency_key: str


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ((["/1/a"], "key"), {}, {"record_ids": ["/1/a"], "idempotency_key": "key"}),
        ((), {"record_ids": []}, {"record_ids": []}),
        ((1, 2, 3), {}, {"argument 0": 3}),
    ],
)
def test_arguments_are_known_by_their_names(
    args: tuple[object, ...], kwargs: dict[str, object], named: dict[str, object]
) -> None:
    found = by_name(args, kwargs, Submission)
    assert named.items() <= found.items()


def test_a_problem_is_told_without_the_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Submission.model_validate({"record_ids": ["a", {"secret": 1}], "idempotency_key": "k"})
    assert first_problem(caught.value) == "record_ids.1: it must be text"


ROOT = Path(__file__).resolve().parents[2]
QUEUE = "probe"
WORKER = f"""
from common.broker import create_app, work
from common.messages import REFUSED
from common.process.log import configure_logging
from common.process.settings import BrokerSettings

configure_logging()
app = create_app("probe", BrokerSettings.read(), ["{QUEUE}"])
app.conf.update(task_acks_late=True)


@app.task(name="probe.task")
def task(*args, **kwargs):
    print(*args, flush=True)


@app.task(name="task")
def unnamed(*args, **kwargs):
    print("reached", flush=True)


@app.task(name="probe.again", bind=True)
def again(self, *args):
    if not self.request.retries:
        raise self.retry(countdown=0)
    print(*args, flush=True)


@app.task(name="probe.fails")
def fails(*args):
    print(*args, flush=True)
    raise RuntimeError("on purpose")


@app.task(name="probe.refused")
def count_refused():
    print(REFUSED.collect()[0].samples[0].value, flush=True)


raise SystemExit(work(app, threads=2, on_stop=lambda: None))
"""
HEADERS = {"lang": "py", "task": "probe.task", "id": "1"}
BLANKS = zlib.compress(b" " * 300_000_000, 9)  # 300 kB


def envelope(
    body: bytes = b"[[], {}, {}]",
    content_type: str = "application/json",
    headers: object = None,
    encoding: str = "utf-8",
    queue: str = QUEUE,
    **more: object,
) -> str:
    """A message as kombu puts it into a list of Redis."""
    properties = {
        "delivery_info": {"exchange": "", "routing_key": queue},
        "body_encoding": "base64",
        "delivery_tag": "tag",
    }
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": content_type,
            "content-encoding": encoding,
            "headers": HEADERS | more if headers is None else headers,
            "properties": properties,
        }
    )


MALFORMED: dict[str, str | bytes] = {
    "no JSON": "garbage",
    "no object": "7",
    "an empty object": "{}",
    "no properties": json.dumps({"body": "x"}),
    "no UTF-8": b"\xff\xfe",
    "an unknown content type": envelope(content_type="application/data"),
    "pickle": envelope(content_type="application/x-python-serialize", encoding="binary"),
    "an unknown encoding": envelope(encoding="no-such"),
    "headers that are a list": envelope(headers=["x"]),
    "an ID that is a list": envelope(id=["a"]),
    "an ID of half a pair": envelope(id="\ud800"),
    "a task that is a list": envelope(task=["a"]),
    "an unknown task": envelope(task="no.such"),
    "retries in words": envelope(retries="many"),
    "a time limit in words": envelope(timelimit="x"),
    "a time that is an object": envelope(expires={"a": 1}),
    "a time in words": envelope(eta="soon"),
    "a body that is a number": envelope(b"7"),
    "a body that is no JSON": envelope(b"{{{"),
    "a body that goes on behind its end": envelope(b'[[], {}, null], "x": 1'),
    "a deep body": envelope(b"[" * 100_000),
    "a body that unpacks to 300 MB": envelope(BLANKS, compression="application/x-gzip"),
    "a value that becomes bytes": envelope(b'[[], {}, {"__type__": "bytes", "__value__": "x"}]'),
    "a value that becomes an error": envelope(
        b'[[{"__type__": "uuid", "__value__": 1}], {}, null]'
    ),
    "a header in the body": envelope(b'[[], {}, {"args": 5, "delivery_info": 7}]'),
    "a number that Python does not read": envelope(b"[[" + b"9" * 5000 + b"], {}, null]"),
    "more retries than fit into memory": envelope(retries=3_000_000_000),
    "a time of next year": envelope(eta="2999-01-01T00:00:00"),
    "another task to be sent": envelope(b'[[], {}, {"chain": [{"task": "probe.task"}]}]'),
    "an argument named as the task itself": envelope(b'[[], {"self": 1}, null]'),
    "a time before all others": envelope(eta="0001-01-01T00:00:00+14:00"),
    "an end before all others": envelope(expires="0001-01-01T00:00:00+14:00"),
    "an end after all others": envelope(expires="9999-12-31T23:59:59-14:00"),
    "a task without our name before it": envelope(b"[[2], {}, {}]", task="task"),
}


@contextmanager
def running(program: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of this code."""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def worker(broker_url: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that prints the arguments of its tasks."""
    with running(WORKER) as process:
        yield process


def peak_memory(process: "subprocess.Popen[str]") -> int:
    """Bytes of memory that a process had at most."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def test_a_malformed_message_is_refused_and_the_worker_goes_on(
    worker: "subprocess.Popen[str]", services: Services
) -> None:
    assert worker.stdout is not None
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        for number, (what, message) in enumerate(MALFORMED.items()):
            client.lpush(QUEUE, message)
            client.lpush(QUEUE, envelope(json.dumps([[number], {}, {}]).encode()))
            assert worker.stdout.readline().strip() == str(number), what
        client.lpush(QUEUE, envelope(b'[["last"], {}, {}]'))
        assert worker.stdout.readline().strip() == "last"
        client.lpush(QUEUE, envelope(task="probe.refused"))
        assert float(worker.stdout.readline()) == len(MALFORMED)
        assert client.llen(QUEUE) == 0
    assert peak_memory(worker) < 200 << 20


def test_nobody_commands_a_worker_through_the_broker(
    worker: "subprocess.Popen[str]", services: Services, broker_url: str
) -> None:
    assert worker.stdout is not None
    with redis.Redis(unix_socket_path=str(services.broker.socket_path)) as client:
        client.lpush(QUEUE, envelope(b'[["first"], {}, {}]'))
        assert worker.stdout.readline().strip() == "first"
        with Celery(broker=broker_url) as stranger:
            for command in ("shutdown", "pool_shrink", "revoke"):
                stranger.control.broadcast(command, arguments={"task_id": "1", "n": 9})
            stranger.control.cancel_consumer(QUEUE)
        for number in range(5):
            client.lpush(QUEUE, envelope(json.dumps([[number], {}, {}]).encode()))
            assert worker.stdout.readline().strip() == str(number)
    assert worker.poll() is None
