"""Run commands of the product in the demo: show each as you would type it, and its output.

The log has all output; the terminal does not show lines that match `ASIDE`. Loading torch takes
most of the time of a short training, so trainers are forked from a process that has loaded it.
"""

import multiprocessing
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console

from common.errors import EnrichmentError

FOLDER = Path(".demo")
LOG = FOLDER / "demo.log"
BIN = Path(sys.executable).parent
FORKING = multiprocessing.get_context("forkserver")
LOADED = (
    *("scipy.optimize", "scipy.stats", "matplotlib.backends.backend_agg", "tensorboardX"),
    *("trainer.commands.train", "trainer.running.cross_validation", "trainer.models.promote"),
    *("trainer.commands.promote", "trainer.commands.encoders", "trainer.models.encoders"),
)
# Lines that you need not read if you see all steps at once.
ASIDE = re.compile(
    r"\s*$|Next: |.*Europeana has none$|.*, epochs: \d|running: |  Worker|  \d+ x left out"
    r"|There are \d+ data providers|macro |top-3 |The accuracy of"
)

console = Console(stderr=True, highlight=False)


def load_trainer() -> None:
    """Begin to load torch, with the present environment, while other commands run."""
    FORKING.set_forkserver_preload(list(LOADED))
    forkserver.ensure_running()


def run(*command: str, is_told: bool = True) -> None:
    """Run one command and show its output, in its order.

    Raises:
        EnrichmentError: the command failed; it has said why.
    """
    show(command)
    follow = _forked if command[0] == "trainer" else _started
    code = follow(command, is_told=is_told)
    if code:
        raise EnrichmentError(f"{command[0]} ended with exit code {code}. Its output: {LOG}")


def answer(*command: str) -> str:
    """Run one command, and return its standard output, stripped, without showing it.

    Raises:
        EnrichmentError: the command failed; it has said why.
    """
    show(command)
    done = subprocess.run(_path(command), capture_output=True, text=True, check=False)
    _tell(done.stderr.splitlines(keepends=True))
    if done.returncode:
        raise EnrichmentError(f"{command[0]} ended with exit code {done.returncode}.")
    return done.stdout.strip()


@contextmanager
def worker() -> Iterator[None]:
    command = ("worker", "run")
    show(command)
    log = FOLDER / "worker.log"
    with log.open("w") as said, subprocess.Popen(_path(command), stderr=said) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def show(command: Sequence[str]) -> None:
    console.print(f"\n$ {shlex.join(command)}", style="bold cyan", markup=False, soft_wrap=True)


def _path(command: Sequence[str]) -> list[str]:
    return [str(BIN / command[0]), *command[1:]]


def _started(command: Sequence[str], *, is_told: bool) -> int:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        _path(command), stdout=pipe, stderr=subprocess.STDOUT, text=True
    ) as process:
        _tell(process.stdout or (), is_told=is_told)
    return process.returncode


def _forked(command: Sequence[str], *, is_told: bool) -> int:
    heard, said = multiprocessing.Pipe(duplex=False)
    process = FORKING.Process(target=_command, args=(command, said))
    process.start()
    said.close()
    with heard, os.fdopen(os.dup(heard.fileno())) as lines:
        _tell(lines, is_told=is_told)
    process.join()
    return process.exitcode or 0


def _command(command: Sequence[str], said: Connection) -> None:
    for stream in (sys.stdout, sys.stderr):
        os.dup2(said.fileno(), stream.fileno())
    said.close()
    sys.argv = list(command)
    import_module(f"{command[0]}.cli").main()


def _tell(lines: Iterable[str], *, is_told: bool = True) -> None:
    """Write lines to the log, and to the terminal unless they match `ASIDE`; errors always."""
    with LOG.open("a") as log:
        for line in lines:
            log.write(line)
            if line.startswith("error: ") or (is_told and not ASIDE.match(line)):
                sys.stderr.write(line)
