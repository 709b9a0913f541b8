"""What a command loads: help, the harvester, `worker enqueue` and commands that look at models need
no torch and no Celery, help of the desk no web server.

Imports inside functions hide from the import contracts, so child processes tell what they loaded.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from common.store.session import open_store
from tests.trainer.bundles import promoted
from tests.trainer.encoders import add_tiny

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    *("torch", "torchvision", "sklearn", "scipy", "matplotlib", "celery", "kombu"),
    *("starlette", "uvicorn", "jinja2", "authlib", "joserfc"),
)

MODEL = text(
    "INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)"
    " VALUES ('test', 1, 'test-1', repeat('0', 64), '{}', '{}', 'active')"
)

HELP = """
import sys
from importlib import import_module

import typer
from typer.testing import CliRunner

app = import_module(f"{sys.argv[1]}.cli").app


def walk(command, *path):
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0, (path, result.output)
    assert result.output.count("--help") > 0
    print(*path)
    for name in getattr(command, "commands", ()):
        walk(command.get_command(None, name), *path, name)


walk(typer.main.get_command(app))
"""

ENQUEUE = """
import sys

from worker.cli import main

sys.argv = ["worker", "enqueue", "-"]
main()
"""

LOOK = """
import sys

from typer.testing import CliRunner

from trainer.cli import app

for command in sys.argv[1:]:
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, (command, result.output)
    print(result.output)
"""

OFTEN = """
import sys
from importlib import import_module

for name in ("enqueue", "jobs", "status", "failures", "control", "process"):
    import_module(f"worker.commands.{name}")
print(*sorted({"numpy", "requests", "stamina", "prometheus_client"} & sys.modules.keys()))
"""

TELL_AT_THE_END = """
import atexit, os, sys
heavy = set(os.environ["HEAVY"].split())
atexit.register(lambda: print("LOADED", *sorted(heavy & sys.modules.keys())))
"""


def run(
    program: str, *arguments: str, stdin: str = "", heavy: tuple[str, ...] = HEAVY
) -> tuple[list[str], list[str]]:
    """The lines that a program prints, and the heavy modules that it loads."""
    ended = subprocess.run(
        [sys.executable, "-c", TELL_AT_THE_END + program, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "HEAVY": " ".join(heavy)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    *printed, last = ended.stdout.splitlines()
    assert ended.returncode == 0, ended.stderr
    return printed, last.split()[1:]


@pytest.mark.parametrize(
    ("tower", "least"), [("harvester", 12), ("trainer", 9), ("worker", 12), ("desk", 9)]
)
def test_no_help_loads_what_is_slow_to_load(tower: str, least: int) -> None:
    commands, loaded = run(HELP, tower)
    assert len(commands) >= least
    assert loaded == []


@pytest.fixture
def _active_model(database_url: str) -> None:
    engine = open_store()
    with engine.begin() as connection:
        connection.execute(MODEL)
    engine.dispose()


@pytest.mark.usefixtures("_active_model")
def test_enqueueing_loads_neither_torch_nor_celery() -> None:
    printed, loaded = run(ENQUEUE, stdin="/1/a\n")
    assert len(printed) == 1  # the ID of the job
    assert loaded == []


@pytest.fixture
def _promoted_model(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model `small`, in service, and an encoder `tiny`."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    engine = open_store()
    promoted(engine, tmp_path)
    add_tiny(engine, tmp_path)
    engine.dispose()


@pytest.mark.usefixtures("_promoted_model")
def test_looking_at_models_and_choosing_among_them_loads_no_torch() -> None:
    of_models = ("list", "list --json", "show small", "activate small", "retire small")
    of_encoders = ("list", "show tiny", "remove tiny")
    commands = [
        *(f"models {each}" for each in of_models),
        *(f"encoders {each}" for each in of_encoders),
    ]
    printed, loaded = run(LOOK, *commands, heavy=(*HEAVY, "numpy", "alembic"))
    assert printed
    assert loaded == []


def test_commands_about_jobs_load_neither_numpy_nor_requests() -> None:
    (surplus,), loaded = run(OFTEN)
    assert surplus == ""
    assert loaded == []
