"""Services for a benchmark: a store and a broker, the sandbox, and programs of the product.

Each has its own process and ends with its block. Programs run on this checkout.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import psutil
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine

from deploy.local import local_services

REPOSITORY = Path(__file__).resolve().parents[2]
LATENCY = 0.1  # seconds on every answer of the sandbox
PATIENCE = 180.0  # seconds to wait for a condition


@contextmanager
def store_and_broker() -> Iterator[Engine]:
    """Run a migrated store and a broker, and set DATABASE_URL and BROKER_URL."""
    with local_services() as services:
        os.environ["BROKER_URL"] = services.broker_url
        migrate(services.database_url)
        engine = create_engine(services.database_url)
        try:
            yield engine
        finally:
            engine.dispose()


def migrate(database_url: str) -> None:
    """Migrate a store, and set DATABASE_URL to it."""
    os.environ["DATABASE_URL"] = database_url
    command.upgrade(Config(REPOSITORY / "alembic.ini"), "head")


def program(name: str, *arguments: str) -> list[str]:
    """The command line of a program of the product."""
    return [sys.executable, "-c", f"from {name}.cli import main; main()", *arguments]


@contextmanager
def running(command: list[str], environment: Mapping[str, str]) -> Iterator[psutil.Process]:
    """Run a program during the block."""
    with subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | environment) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def sandbox_process(
    folder: Path,
    *options: str,
    faults: Mapping[str, Any],
    module: str = "deploy.sandbox",
    latency: float = LATENCY,
) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """The sandbox, and the environment for its clients; `folder` gets the file of its faults."""
    path = folder / "faults.json"
    path.write_text(json.dumps(faults), encoding="utf-8")
    given = [*options, "--faults", str(path), "--latency", str(latency)]
    command = [sys.executable, "-m", module, "--port", "0", "--quota", "1000000", *given]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stdout or ())
            next(lines)  # the greeting
            exports = takewhile(lambda line: line.strip().startswith("export"), lines)
            variables = dict(part.split("=", 1) for line in exports for part in line.split()[1:])
            yield psutil.Process(process.pid), variables
        finally:
            process.terminate()


def wait_for(
    condition: Callable[[], bool], *, seconds: float = PATIENCE, every: float = 0.05
) -> float:
    """Wait until the condition holds; returns how many seconds it took.

    Raises:
        TimeoutError: it does not hold in time.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError("the condition did not hold in time")
        time.sleep(every)
    return time.monotonic() - began
