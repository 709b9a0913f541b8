"""Metrics are served over HTTP, where they were asked to be."""

import socket
from urllib.request import urlopen

import pytest
from prometheus_client import Counter

from common.errors import EnrichmentError
from common.process.metrics_server import served

LOOPBACK = "127.0.0.1"
SERVED = Counter("metrics_server_test", "What a test counts")


def test_they_are_served_until_the_block_ends() -> None:
    with served(0, LOOPBACK, program="WORKER") as port:
        SERVED.inc()
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    assert "metrics_server_test_total 1.0" in text
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_taken_port_is_an_error_in_words() -> None:
    with (
        served(0, LOOPBACK, program="WORKER") as port,
        pytest.raises(EnrichmentError, match=f"Port {port} of"),
    ):
        served(port, LOOPBACK, program="WORKER").__enter__()


def test_they_are_served_at_the_given_address_only() -> None:
    with served(0, "127.0.0.2", program="DESK") as port, socket.socket() as client:
        assert client.connect_ex((LOOPBACK, port)) != 0


def test_an_address_of_another_machine_is_an_error_in_words() -> None:
    with pytest.raises(EnrichmentError, match=r"WORKER_METRICS_ADDRESS 192\.0\.2\.1: "):
        served(0, "192.0.2.1", program="WORKER").__enter__()


def test_an_address_of_ipv6_is_served() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(0, "::1", program="DESK") as port, socket.socket(socket.AF_INET6) as client:
        assert client.connect_ex(("::1", port)) == 0
