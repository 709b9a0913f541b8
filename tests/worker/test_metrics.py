"""Metrics as Prometheus reads them."""

import socket
from urllib.request import urlopen

import pytest
from prometheus_client import REGISTRY

from common.errors import EnrichmentError, RecordError
from worker import metrics


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_they_are_served_until_the_block_ends() -> None:
    with metrics.served(0) as port:
        with metrics.timed("decode"):
            pass
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    assert 'worker_stage_seconds_count{stage="decode"}' in text
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_taken_port_is_an_error_in_words() -> None:
    with metrics.served(0) as port, pytest.raises(EnrichmentError, match=f"Port {port} of"):
        metrics.served(port).__enter__()


def test_records_are_counted_by_outcome_and_errors_by_reason() -> None:
    before = {
        name: sample("worker_records_total", outcome=name)
        for name in ("enriched", "below_threshold", "failed", "put_off")
    }
    failures = sample("worker_failures_total", stage="fetch", reason="gone")
    errors = {f"/1/r{number}": RecordError("fetch", "gone") for number in range(3)}
    metrics.count_records(enriched=5, below_threshold=2, put_off=1, errors=errors)
    counted = {name: sample("worker_records_total", outcome=name) for name in before}
    assert {name: counted[name] - before[name] for name in before} == {
        "enriched": 5,
        "below_threshold": 2,
        "failed": 2,
        "put_off": 1,
    }
    assert sample("worker_failures_total", stage="fetch", reason="gone") - failures == 3
