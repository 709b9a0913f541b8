"""Workers that cannot work: readiness, log and `worker status` name the reason."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from deploy.local import Services
from deploy.sandbox.server import Sandbox
from tests.forking import ran
from tests.waiting import wait_for
from tests.worker.processes.running import (
    TIMEOUT,
    WORKER,
    free_port,
    wait_until_done,
    worker,
)
from worker import jobs
from worker.ledger.roster import live_workers

NO_BROKER = "The broker at BROKER_URL cannot be reached"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * TIMEOUT)]


def ask(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return ran("worker.cli", *arguments, environment=environment)


@contextmanager
def hindered(
    environment: dict[str, str], tmp_path: Path, **settings: str
) -> Iterator[tuple[dict[str, str], "subprocess.Popen[bytes]"]]:
    """A worker with these settings, and the environment of who asks after it."""
    heartbeat = {
        "WORKER_HEARTBEAT_FILE": str(tmp_path / "heartbeat"),
        "WORKER_RETRY_DELAYS": "600",
    }
    with worker(environment | heartbeat | settings) as process:
        yield environment | heartbeat, process


def says(environment: dict[str, str], *parts: str) -> bool:
    told = ask(environment, "health", "--ready")
    return told.returncode == 1 and all(part in told.stderr for part in parts)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("EUROPEANA_API_KEY", "wrong", "refuses the API key"),
        ("MODEL_DIR", "/nowhere", "Check that MODEL_DIR names the folder of the models"),
    ],
)
def test_what_is_missing_is_named_everywhere(
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    tmp_path: Path,
    setting: str,
    value: str,
    reason: str,
) -> None:
    job_id = jobs.enqueue(engine, ["/1/unknown"]).job_id
    with hindered(environment, tmp_path, **{setting: value}) as (asking, process):
        wait_for(lambda: says(asking, "not ready", reason))
        wait_for(lambda: any(each.problems for each in live_workers(engine)))
        assert ask(asking, "health").returncode == 0  # a restart would not help
        (alive,) = live_workers(engine)
        told = ask(asking, "status", str(job_id)).stdout
        process.terminate()
        _, log = process.communicate(timeout=TIMEOUT)
    assert f"Worker {alive.name}: " in told
    assert reason in told
    lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    assert any(reason in line.get("problem", "") for line in lines)
    assert "worker ready" not in {line["event"] for line in lines}
    assert live_workers(engine) == []


def misses_broker(engine: Engine) -> bool:
    return any(
        NO_BROKER in problem.what and not problem.stops
        for each in live_workers(engine)
        for problem in each.problems
    )


def test_a_worker_without_a_broker_says_so_and_works(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    job_id = jobs.enqueue(engine, [sandbox.catalogue.items[0].id]).job_id
    with hindered(environment, tmp_path, BROKER_URL="redis://127.0.0.1:1/0") as (asking, process):
        assert wait_until_done(engine, job_id).failed == 0
        wait_for(lambda: misses_broker(engine))
        wait_for(lambda: ask(asking, "health", "--ready").returncode == 0)
        process.terminate()
        _, log = process.communicate(timeout=TIMEOUT)
    lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    assert any(NO_BROKER in line.get("problem", "") for line in lines)
    assert "worker ready" in {line["event"] for line in lines}


def test_without_a_worker_the_status_says_so(engine: Engine, environment: dict[str, str]) -> None:
    job_id = jobs.enqueue(engine, ["/1/unknown"]).job_id
    assert "Workers that are alive: none." in ask(environment, "status", str(job_id)).stdout


def test_a_store_and_a_broker_that_come_later_are_waited_for(
    services: Services,
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    job_id = jobs.enqueue(engine, [sandbox.catalogue.items[0].id]).job_id
    services.postgres.stop()
    services.broker.stop()
    with hindered(environment, tmp_path, BROKER_URL=services.broker_url) as (asking, _):
        wait_for(lambda: says(asking, "Postgres at", "cannot be reached"))
        services.postgres.start()
        assert wait_until_done(engine, job_id).failed == 0
        wait_for(lambda: misses_broker(engine))
        services.broker.start()
        wait_for(lambda: not misses_broker(engine))
        wait_for(lambda: ask(asking, "health", "--ready").returncode == 0)


def test_a_malformed_broker_url_ends_the_worker(environment: dict[str, str]) -> None:
    ended = ask(environment | {"BROKER_URL": f"redis://127.0.0.1:{free_port()}/seven"}, "run")
    assert ended.returncode == 2
    assert "must have the number of a database" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("cuda", 1, "has no device 'cuda'"),
        ("gpu", 2, "it must be auto, cpu, cuda, or a card such as cuda:0"),
    ],
)
def test_a_worker_without_the_device_that_it_is_to_have_ends_at_once(
    environment: dict[str, str], name: str, code: int, reason: str
) -> None:
    ended = ask(environment | {"WORKER_DEVICE": name, "CUDA_VISIBLE_DEVICES": ""}, "run")
    assert ended.returncode == code
    assert reason in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def is_loading(process: "subprocess.Popen[bytes]", library: str) -> bool:
    assert process.poll() is None
    return library in Path(f"/proc/{process.pid}/maps").read_text()


@pytest.mark.parametrize("loaded", ["pydantic_core", "numpy/_core", "torch/lib/libtorch_cpu"])
def test_ctrl_c_while_it_starts_is_one_line(environment: dict[str, str], loaded: str) -> None:
    with subprocess.Popen(
        [WORKER, "run"],
        env=environment | {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as process:
        wait_for(lambda: is_loading(process, loaded))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert said.decode().startswith("error: Interrupted.")
    assert said.count(b"\n") == 1
