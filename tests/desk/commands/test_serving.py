"""`desk serve` as a program: its end, a taken port, and a store that goes away and comes back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from desk.commands.serving import GRACE
from tests.desk.desk_process import PATIENCE, DeskProcess, desk_process
from tests.forking import ROOT, ran
from tests.waiting import wait_for
from tests.worker.processes.running import free_port, scrape

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SLOW = (
    "POST /login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: 1000\r\n\r\nname="
)


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from desk.cli import main; main()", "serve", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        program, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_it_ends_cleanly_when_it_is_told_to(museum, tmp_path: Path):
    with desk_process(tmp_path) as desk:
        assert "The desk has no accounts" in desk.log()
        assert desk.get("/healthz") == "ok\n"
        desk.signal(signal.SIGTERM)
        assert desk.wait() in (0, -signal.SIGTERM)
        assert "Traceback" not in desk.log()


def test_a_taken_port_is_told(museum):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = serve("--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "Choose another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_needs_a_store(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    done = serve()
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr


def test_pages_come_back_when_the_store_does(services, museum, tmp_path: Path):
    with desk_process(tmp_path) as desk:
        services.postgres.stop()
        with pytest.raises(urllib.error.HTTPError) as answer:
            desk.get("/see")
        with answer.value as error:
            assert error.code == 503
            assert "Postgres" in error.read().decode()
        services.postgres.start()
        assert "No model is in the store yet" in desk.get("/see")
        assert "Traceback" not in desk.log()


def test_without_accounts_it_serves_no_other_machine(museum):
    for host in ("0.0.0.0", "", "museum.example"):
        done = ran("desk.cli", "serve", "--host", host, "--port", "0")
        assert done.returncode == 2
        assert "no account yet, so it can serve only this machine" in done.stderr
        assert "desk users add NAME --role operator" in done.stderr
        assert "Traceback" not in done.stderr


def test_public_pages_need_no_account_at_any_address(museum, tmp_path: Path):
    with desk_process(tmp_path, "--public", "--host", "0.0.0.0") as desk:
        with pytest.raises(urllib.error.HTTPError) as answer:
            desk.get("/see")
        with answer.value as error:
            assert error.code == 404
        assert "The desk has no accounts" not in desk.log()
        assert "Traceback" not in desk.log()


def connection_to(desk: DeskProcess) -> socket.socket:
    parts = urlsplit(desk.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1_000) == b""
    except ConnectionResetError:
        return True


def test_its_end_does_not_wait_for_a_body_that_does_not_come(museum, tmp_path: Path):
    with desk_process(tmp_path) as desk, connection_to(desk) as idle, connection_to(desk) as slow:
        slow.sendall(SLOW.format(urlsplit(desk.url).netloc).encode())
        assert desk.get("/healthz") == "ok\n"
        began = time.monotonic()
        desk.signal(signal.SIGTERM)
        assert desk.wait() in (0, -signal.SIGTERM)
        assert time.monotonic() - began < 2 * GRACE
        assert is_closed(idle)
        assert is_closed(slow)
        assert "Traceback" not in desk.log()


def test_metrics_are_served_where_they_are_asked_for(museum, tmp_path: Path):
    port = free_port()
    with desk_process(tmp_path, DESK_METRICS_PORT=str(port)) as desk:
        assert "No model is in the store yet" in desk.get("/see")
        wait_for(lambda: "store_jobs_running" in scrape(port))
        metrics = scrape(port)
        assert metrics['desk_requests_total{page="/see",status="200"}'] == 1
        assert not any(name.startswith("worker_") for name in metrics)
        desk.signal(signal.SIGTERM)
        assert desk.wait() in (0, -signal.SIGTERM)
        assert "Traceback" not in desk.log()
