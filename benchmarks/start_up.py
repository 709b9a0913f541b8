"""The cost of a command before it works: CPU seconds and memory of whole processes.

    python -m benchmarks.start_up [--rounds 9]

It runs the help of each program, and commands on a store with one model. Medians of the rounds
count.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.report import Bar, at_most, finish
from deploy.local import local_services

BIN = Path(sys.executable).parent
OF_TRAINER, OF_OTHERS = 1.0, 0.5  # seconds of CPU, at most
COMMANDS = (
    ("harvester", "--help"),
    ("trainer", "--help"),
    ("worker", "--help"),
    ("desk", "--help"),
    ("enrichment", "--help"),
    ("harvester", "records", "--help"),
    ("trainer", "train", "--help"),
    ("worker", "enqueue", "--help"),
    ("harvester", "datasets", "list"),
    ("trainer", "models", "list"),
    ("trainer", "models", "activate", "tiny"),
    ("trainer", "encoders", "list"),
    ("worker", "jobs"),
    ("desk", "users", "list"),
)


@dataclass(frozen=True)
class Cost:
    """Of one process: CPU seconds, and peak memory in MB."""

    seconds: float
    megabytes: float


def main(rounds: Annotated[int, typer.Option(min=1)] = 9) -> None:
    with local_services() as services, tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        environment = {
            "DATABASE_URL": services.database_url,
            "MODEL_DIR": str(models),
            "HOME": folder,
        }
        _cost(("enrichment", "prepare"), environment, Path(folder))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            other.submit(_put_model, services.database_url, models).result()
        figures: dict[str, float] = {}
        bars: dict[str, Bar] = {}
        for command in COMMANDS:
            costs = [_cost(command, environment, Path(folder)) for _ in range(rounds)]
            name = " ".join(command)
            seconds = statistics.median(cost.seconds for cost in costs)
            figures[name] = round(seconds, 3)
            figures[f"{name}, MB"] = round(max(cost.megabytes for cost in costs), 1)
            bars[name] = at_most(OF_TRAINER if command[0] == "trainer" else OF_OTHERS)
    finish(figures=figures, bars=bars)


def _put_model(database_url: str, models: Path) -> None:
    """It runs in its own process, since it loads torch, and a child's figure includes its parent's
    memory.
    """
    from sqlalchemy import create_engine

    from benchmarks.parts.tiny_service import put_tiny_in_service

    put_tiny_in_service(create_engine(database_url), models)


def _cost(command: tuple[str, ...], environment: dict[str, str], folder: Path) -> Cost:
    process = subprocess.Popen(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    typer.run(main)
