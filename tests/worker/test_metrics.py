"""Metrics as Prometheus reads them."""

import socket
from urllib.request import urlopen

import pytest
from prometheus_client import REGISTRY

from common.errors import EnrichmentError, RecordError
from common.process.periodic import PeriodicThread
from worker import metrics

LOOPBACK = "127.0.0.1"


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_they_are_served_until_the_block_ends() -> None:
    with metrics.served(0, LOOPBACK) as port:
        with metrics.timed("decode"):
            pass
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    assert 'worker_stage_seconds_count{stage="decode"}' in text
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_taken_port_is_an_error_in_words() -> None:
    with (
        metrics.served(0, LOOPBACK) as port,
        pytest.raises(EnrichmentError, match=f"Port {port} of"),
    ):
        metrics.served(port, LOOPBACK).__enter__()


def test_they_are_served_at_the_given_address_only() -> None:
    with metrics.served(0, "127.0.0.2") as port, socket.socket() as client:
        assert client.connect_ex((LOOPBACK, port)) != 0


def test_an_address_of_another_machine_is_an_error_in_words() -> None:
    with pytest.raises(EnrichmentError, match=r"WORKER_METRICS_ADDRESS 192\.0\.2\.1: "):
        metrics.served(0, "192.0.2.1").__enter__()


class Idle(PeriodicThread):
    def run_once(self) -> None:
        """Nothing."""


def test_it_shows_how_long_ago_a_thread_did_its_work() -> None:
    thread = Idle("idle", interval=3600)
    metrics.watch([thread])
    thread.start()
    shown = [sample("worker_periodic_seconds_since_run", thread="idle") for _ in range(2)]
    thread.stop()
    assert 0 < shown[0] < shown[1]


def test_records_are_counted_by_outcome_and_errors_by_reason() -> None:
    before = {
        name: sample("worker_records_total", outcome=name)
        for name in ("enriched", "below_threshold", "failed", "put_off")
    }
    failures = sample("worker_failures_total", stage="fetch", reason="gone")
    errors = {f"/1/r{number}": RecordError("fetch", "gone") for number in range(3)}
    metrics.count_records(enriched=5, below_threshold=2, put_off=1, read=3, errors=errors)
    counted = {name: sample("worker_records_total", outcome=name) for name in before}
    assert {name: counted[name] - before[name] for name in before} == {
        "enriched": 5,
        "below_threshold": 2,
        "failed": 2,
        "put_off": 1,
    }
    assert sample("worker_failures_total", stage="fetch", reason="gone") - failures == 3
