"""The product's programs, forked from a process that has imported what they need.

Importing takes most of the time of a start. How a program starts without that help is for the tests
that start it by its name.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = Path(os.devnull)
SECONDS = 600.0  # on a busy machine
_FORKING = multiprocessing.get_context("forkserver")


def start(
    module: str,
    *arguments: str,
    environment: dict[str, str],
    stderr: Path | Connection,
    stdout: Path = NOWHERE,
) -> ForkServerProcess:
    """`module`.main() with these arguments and variables, in a process and a group of its own."""
    be_ready()
    process = _FORKING.Process(target=_run, args=(module, arguments, environment, stderr, stdout))
    process.start()
    return process


def be_ready() -> None:
    """Begin the process that forks, if it has not begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # where the process that forks looks for modules, if it begins now
        patch.setenv("OMP_NUM_THREADS", "1")  # of all that it forks, since torch reads it once
        _FORKING.set_forkserver_preload(["tests.preloaded"])
        forkserver.ensure_running()


def _run(
    module: str,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    stderr: Path | Connection,
    stdout: Path,
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    if isinstance(stderr, Path):
        _write_to(stderr, sys.stderr.fileno())
    else:
        os.dup2(stderr.fileno(), sys.stderr.fileno())
        stderr.close()
    _write_to(stdout, sys.stdout.fileno())
    sys.argv = [module.partition(".")[0], *arguments]
    import_module(module).main()


def _write_to(file: Path, number: int) -> None:
    os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)


def ran(
    module: str, *arguments: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """The same to its end, with what it said."""
    with TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        variables = dict(os.environ) if environment is None else environment
        process = start(module, *arguments, environment=variables, stderr=stderr, stdout=stdout)
        process.join(SECONDS)
        assert process.exitcode is not None, f"it goes on: {stderr.read_text()}"
        said = stdout.read_text(), stderr.read_text()
        return subprocess.CompletedProcess([module, *arguments], process.exitcode, *said)


def ran_source(source: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What `python -c` would have done with these lines, arguments and the variables of now."""
    return ran("tests.source", source, *arguments)


class Forked:
    """Such a process with a pipe for what it says, to be used as a `subprocess.Popen` is."""

    def __init__(self, module: str, *arguments: str, environment: dict[str, str]) -> None:
        heard, said = multiprocessing.Pipe(duplex=False)
        with heard, said:
            self._process = start(module, *arguments, environment=environment, stderr=said)
            self.stderr = os.fdopen(os.dup(heard.fileno()), "rb")

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a warning."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float) -> int:
        """Its exit code, once it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self._process.exitcode

    def communicate(self, timeout: float) -> tuple[None, bytes]:
        """What it has said until it ended, and nobody has read."""
        said = b"" if self.stderr.closed else self.stderr.read()
        self.stderr.close()
        self.wait(timeout)
        return None, said
