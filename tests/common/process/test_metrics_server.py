"""Metrics are served over HTTP, where they were asked to be."""

import socket
import threading
from contextlib import ExitStack, suppress
from urllib.request import urlopen

import pytest
from prometheus_client import Counter

from common.errors import EnrichmentError
from common.process import metrics_server
from common.process.metrics_server import CLIENTS, served
from tests.waiting import wait_for

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


def test_clients_that_never_ask_are_few_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server._Handler, "timeout", 0.5)
    before = threading.active_count()
    with served(0, LOOPBACK, program="WORKER") as port, ExitStack() as clients:
        for _ in range(3 * CLIENTS):
            clients.enter_context(socket.create_connection((LOOPBACK, port), timeout=5))
        wait_for(lambda: threading.active_count() > before + 1)
        wait_for(lambda: threading.active_count() <= before + 1 + CLIENTS)
        wait_for(lambda: threading.active_count() == before + 1)
        assert scrape(port)


def test_clients_that_drip_keep_nobody_out() -> None:
    is_over = threading.Event()
    with served(0, LOOPBACK, program="WORKER") as port:
        dripping = [threading.Thread(target=drip, args=(port, is_over)) for _ in range(2 * CLIENTS)]
        for each in dripping:
            each.start()
        scrapes = [scrape(port) for _ in range(10)]
        is_over.set()
        for each in dripping:
            each.join()
    assert all(scrapes)


def test_one_that_comes_takes_the_place_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "CLIENTS", 2)
    with served(0, LOOPBACK, program="WORKER") as port, ExitStack() as clients:
        first, second, _ = (
            clients.enter_context(socket.create_connection((LOOPBACK, port), timeout=5))
            for _ in range(3)
        )
        assert first.recv(1) == b""
        second.send(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert second.recv(8) == b"HTTP/1.0"


def test_an_address_of_ipv6_is_served() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(0, "::1", program="DESK") as port, socket.socket(socket.AF_INET6) as client:
        assert client.connect_ex(("::1", port)) == 0


def scrape(port: int) -> bool:
    """Whether metrics come."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return b"metrics_server_test_total" in answer.read()
    except OSError:
        return False


def drip(port: int, is_over: threading.Event) -> None:
    """Ask by a few bytes a second, and connect again when the connection ends."""
    while not is_over.is_set():
        with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=5) as client:
            client.send(b"GET /")
            while not is_over.wait(0.2):
                client.send(b"a")
