"""Worker processes under supervision: how they end, whether they are well, what they say."""

import json
import re
import signal
import time
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.forking import ran
from tests.waiting import wait_for
from tests.worker.processes.running import (
    FILES_FIRST,
    REPOSITORY,
    RUN,
    TIMEOUT,
    chunk_states,
    free_port,
    scrape,
    wait_until_done,
    worker,
)
from worker import jobs

pytestmark = pytest.mark.timeout(4 * TIMEOUT)
MANIFESTS = REPOSITORY / "deploy" / "k8s" / "base"


def attempts_of_ready_chunks(engine: Engine) -> int:
    with engine.connect() as connection:
        attempts = text("SELECT coalesce(max(attempt), 0) FROM job_chunk WHERE state = 'ready'")
        return int(connection.execute(attempts).scalar_one())


def files_first(engine: Engine, sandbox: Sandbox) -> UUID:
    """A job of all that the sandbox has."""
    return jobs.enqueue(engine, [item.id for item in sandbox.catalogue.items], FILES_FIRST).job_id


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_finishes_the_chunk_in_work(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], told: signal.Signals
) -> None:
    job_id = files_first(engine, sandbox)
    with worker(environment | {"WORKER_GRACE_SECONDS": "60"}, RUN) as stopped:
        wait_for(lambda: chunk_states(engine, job_id).get("leased", 0) == 1)
        done = chunk_states(engine, job_id).get("done", 0)
        stopped.send_signal(told)
        printed, _ = stopped.communicate(timeout=TIMEOUT)
        assert (stopped.returncode, printed) == (0, b"")
    states = chunk_states(engine, job_id)
    assert "leased" not in states
    assert states["done"] > done  # by one, or by two if another was begun before the signal came
    assert attempts_of_ready_chunks(engine) == 0


def test_a_chunk_that_is_not_finished_in_time_is_given_back(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    job_id = files_first(engine, sandbox)
    slow = {"FETCH_REQUESTS_PER_SECOND": "10", "WORKER_GRACE_SECONDS": "2"}
    with worker(environment | slow) as stopped:
        wait_for(lambda: chunk_states(engine, job_id).get("leased", 0) == 1)
        stopped.terminate()
        assert stopped.wait(TIMEOUT) == 0
    assert chunk_states(engine, job_id) == {"ready": 3}
    assert attempts_of_ready_chunks(engine) == 0


def test_a_chunk_that_waits_for_a_silent_host_is_given_back_too(
    engine: Engine, environment: dict[str, str]
) -> None:
    silent = Faults(hosts={"*": [Fault(kind="latency", seconds=600)]})
    with Sandbox(draw_collection(items=5), faults=silent) as sandbox:
        here = {"EUROPEANA_API_URL": sandbox.url, "EUROPEANA_API_KEY": sandbox.key}
        with worker(environment | here | {"WORKER_GRACE_SECONDS": "2"}) as stopped:
            job_id = files_first(engine, sandbox)
            wait_for(lambda: chunk_states(engine, job_id) == {"leased": 1})
            stopped.terminate()
            assert stopped.wait(TIMEOUT) == 0
    assert chunk_states(engine, job_id) == {"ready": 1}
    assert attempts_of_ready_chunks(engine) == 0


@pytest.mark.slow
def test_a_worker_ends_within_the_time_that_kubernetes_gives_it(
    engine: Engine, environment: dict[str, str]
) -> None:
    """It is told once; its chunk waits for a silent host, so that nothing ends it but the time."""
    silent = Faults(hosts={"*": [Fault(kind="latency", seconds=600)]})
    with Sandbox(draw_collection(items=5), faults=silent) as sandbox:
        here = {"EUROPEANA_API_URL": sandbox.url, "EUROPEANA_API_KEY": sandbox.key}
        grace = 6.0
        with worker(environment | here | {"WORKER_GRACE_SECONDS": str(grace)}) as stopped:
            job_id = files_first(engine, sandbox)
            wait_for(lambda: chunk_states(engine, job_id) == {"leased": 1})
            stopped.terminate()
            told = time.monotonic()
            assert stopped.wait(TIMEOUT) == 0
            took = time.monotonic() - told
    assert took < grace + spare_seconds()
    assert chunk_states(engine, job_id) == {"ready": 1}


def spare_seconds() -> float:
    """From a worker's own end to the time when Kubernetes kills it, by the manifests."""
    manifest = (MANIFESTS / "worker" / "worker.yaml").read_text()
    settings = (MANIFESTS / "settings.env").read_text()
    kills = re.search(r"terminationGracePeriodSeconds: (\d+)", manifest)
    ends = re.search(r"^WORKER_GRACE_SECONDS=(\d+)", settings, re.MULTILINE)
    assert kills is not None
    assert ends is not None
    return float(kills[1]) - float(ends[1])


def test_a_worker_that_is_stopped_while_it_starts_ends_and_takes_nothing(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    """As Kubernetes does if it thinks again. Process 1 would go on: so a pod's worker is not it."""
    job_id = files_first(engine, sandbox)
    with worker(environment, RUN) as stopped:
        time.sleep(0.3)  # it imports torch for longer
        stopped.terminate()
        assert stopped.wait(TIMEOUT) in (0, -signal.SIGTERM)
    assert chunk_states(engine, job_id) == {"ready": 3}


@pytest.mark.slow
def test_health_metrics_and_log_of_a_worker(
    engine: Engine, sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    watched = environment | {
        "WORKER_HEARTBEAT_FILE": str(tmp_path / "heartbeat"),
        "WORKER_METRICS_PORT": str(port),
    }
    ids = [item.id for item in sandbox.catalogue.items[:20]]
    job_id = jobs.enqueue(engine, ids, jobs.JobOptions(picture="thumbnail")).job_id
    assert health(watched) == 1
    with worker(watched, RUN) as process:
        done = wait_until_done(engine, job_id)
        wait_for(lambda: health(watched) == 0)
        metrics = scrape(port)
        process.terminate()
        _, log = process.communicate(timeout=TIMEOUT)
    assert health(watched) == 1
    assert metrics['worker_records_total{outcome="enriched"}'] == done.enriched > 0
    for stage in ("resolve", "fetch", "decode", "wait", "infer", "write"):
        assert metrics[f'worker_stage_seconds_count{{stage="{stage}"}}'] > 0
    lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    (warning,) = [line for line in lines if "other pictures" in line["event"]]
    assert (warning["trained_on"], warning["looks_at"]) == ("media", "thumbnail")
    finished = [line for line in lines if line["event"] == "chunk done"]
    assert [(line["job"], line["chunk"]) for line in finished] == [(str(job_id), 1)]
    assert finished[0]["runtime"] == "torch-cpu"
    assert sandbox.key not in log.decode()


def health(environment: dict[str, str]) -> int:
    return ran("worker.cli", "health", "--ready", environment=environment).returncode
