"""`desk serve` as a program: its end, a taken port, and a store that goes away and comes back."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest

from tests.desk.desk_process import PATIENCE, ROOT, desk_process

pytestmark = pytest.mark.timeout(600)


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from desk.cli import main; main()", "serve", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        program, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_it_ends_cleanly_when_it_is_told_to(museum, tmp_path: Path):
    with desk_process(tmp_path) as desk:
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
