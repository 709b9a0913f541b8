"""A real Prometheus with the rules of `deploy/monitoring`, which asks a worker and a desk."""

import json
import math
import shutil
import signal
import subprocess
import time
import urllib.error
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from deploy.local.bound import bound_command
from tests.worker.processes.running import TIMEOUT, free_port

MONITORING = Path(__file__).resolve().parents[1] / "deploy" / "monitoring"
RULES = MONITORING / "rules.yaml"
DASHBOARD = MONITORING / "dashboard.json"


class Prometheus:
    """It runs for as long as the block lasts; a test that asks for it skips where there is none.

    Args:
        targets: ports of this machine, by the names of the jobs in `prometheus.yaml`.
    """

    def __init__(self, folder: Path, targets: dict[str, int]) -> None:
        self._program = program("prometheus")
        self._folder = folder
        self._port = free_port()
        settings = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        settings["rule_files"] = [str(RULES)]
        for job in settings["scrape_configs"]:
            job["static_configs"] = [{"targets": [f"127.0.0.1:{targets[job['job_name']]}"]}]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))

    def __enter__(self) -> Self:
        command = [
            self._program,
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'series'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        ]
        self._log = (self._folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            bound_command(command, death_signal=signal.SIGKILL), stderr=self._log
        )
        deadline = time.monotonic() + TIMEOUT
        while not self._is_ready():
            assert self._process.poll() is None, self._said()
            assert time.monotonic() < deadline, self._said()
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)
        self._log.close()

    def sees(self, query: str) -> bool:
        """Whether a query finds a number."""
        found = self.ask(f"query?{urlencode({'query': query})}")["result"]
        return any(not math.isnan(float(each["value"][1])) for each in found)

    def ask(self, path: str) -> dict[str, Any]:
        """What the HTTP API answers."""
        with urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}", timeout=TIMEOUT) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
            return data

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=TIMEOUT):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def _said(self) -> str:
        return (self._folder / "prometheus.log").read_text()


def program(name: str) -> str:
    """The way to a program of Debian's package prometheus; without it the test skips."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard, without the titles of its rows."""
    every = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in every if panel["type"] != "row"]


def rules(kind: str) -> list[dict[str, Any]]:
    """Those of a kind, `alert` or `record`."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]
