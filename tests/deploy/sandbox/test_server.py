"""The sandbox as a thing that starts, stops and leaves nothing behind."""

import socket
import threading
import time

import pytest
import requests

from common.errors import UsageError
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox

CATALOGUE = draw_collection(items=12)


def test_sandboxes_run_side_by_side_on_ports_of_their_own() -> None:
    with Sandbox(CATALOGUE) as first, Sandbox(CATALOGUE) as second:
        assert first.url != second.url
        for sandbox in (first, second):
            response = requests.get(f"{sandbox.url}/sandbox/requests", timeout=10)
            assert response.status_code == 200


def test_a_taken_port_is_refused() -> None:
    with Sandbox(CATALOGUE) as sandbox:
        port = sandbox.addresses.port
        with pytest.raises(UsageError, match=f"Port {port} is in use on 127.0.0.1"):
            Sandbox(CATALOGUE, port=port)


def test_a_port_taken_on_an_image_host_is_refused_and_released_elsewhere() -> None:
    with _taken_on_an_image_host() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} is in use on 127.0.1.2"):
            Sandbox(CATALOGUE, port=port)
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


def _taken_on_an_image_host() -> socket.socket:
    """A socket whose port nobody else has on the address of the APIs."""
    while True:
        taken = socket.create_server(("127.0.1.2", 0))
        try:
            socket.create_server(("127.0.0.1", taken.getsockname()[1])).close()
        except OSError:
            taken.close()
        else:
            return taken


def test_after_the_end_nobody_answers_and_no_thread_is_left() -> None:
    threads = threading.active_count()
    with Sandbox(CATALOGUE) as sandbox:
        requests.get(sandbox.addresses.media_url(CATALOGUE.items[0]), timeout=10)
    assert threading.active_count() == threads
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=10)


@pytest.mark.parametrize("kind", ["endless", "latency", "drip"])
def test_an_answer_under_way_does_not_hold_up_the_end(kind: str) -> None:
    fault = {
        "endless": Fault("endless"),
        "latency": Fault("latency", seconds=600),
        "drip": Fault("drip", bytes_per_second=1),
    }[kind]
    item = CATALOGUE.items[0]
    sandbox = Sandbox(CATALOGUE, faults=Faults(items={item.id: [fault]}))
    sandbox.start()
    address = sandbox.addresses.of_host[item.host]
    with socket.create_connection((address, sandbox.addresses.port)) as connection:
        connection.sendall(f"GET /media{item.id}.jpg HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while sandbox.log[address].in_flight == 0:
            time.sleep(0.01)
        started = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - started < 5
