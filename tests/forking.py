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

import pytest

ROOT = Path(__file__).resolve().parents[1]
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["tests.preloaded"])


def start(
    module: str, *arguments: str, environment: dict[str, str], stderr: Path | Connection
) -> ForkServerProcess:
    """`module`.main() with these arguments and variables, in a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # where the process that forks looks for modules, if it begins now
        forkserver.ensure_running()
    process = _FORKING.Process(target=_run, args=(module, arguments, environment, stderr))
    process.start()
    return process


def _run(
    module: str, arguments: tuple[str, ...], environment: dict[str, str], stderr: Path | Connection
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    if isinstance(stderr, Path):
        os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.stderr.fileno())
    else:
        os.dup2(stderr.fileno(), sys.stderr.fileno())
        stderr.close()
    sys.argv = [module.partition(".")[0], *arguments]
    import_module(module).main()


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
