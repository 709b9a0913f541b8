"""A real desk: a process that is started, killed and started again."""

import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.forking import start

PATIENCE = 120  # seconds, on a busy machine
_ADDRESS = re.compile(r"(?:The desk is|The public pages are) at (http://\S+)")


def folders(folder: Path) -> dict[str, str]:
    """The settings that name folders, all in this one."""
    return {
        "DESK_CACHE_DIR": str(folder / "cache"),
        "MODEL_DIR": str(folder / "models"),
        "HEATMAP_DIR": str(folder / "heatmaps"),
        "EXPERIMENT_DIR": str(folder / "experiments"),
    }


class AtAddress:
    """A desk that serves at `url`."""

    url = ""

    def get(self, path: str) -> str:
        """A page, without a browser."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text


class DeskProcess(AtAddress):
    def __init__(self, folder: Path, *arguments: str, port: int = 0, **variables: str) -> None:
        self._arguments = arguments
        self._environment = os.environ | folders(folder) | variables
        self._log = folder / "desk.log"
        self._port = port
        self._process: ForkServerProcess | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._log.unlink(missing_ok=True)
        asked = ("serve", "--port", str(self._port), *self._arguments)
        self._process = start("desk.cli", *asked, environment=self._environment, stderr=self._log)
        deadline = time.monotonic() + PATIENCE
        while not (found := _ADDRESS.search(self.log())):
            assert self._process.is_alive(), self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        self.url = found[1]
        self._port = int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        assert self._process is not None
        if self._process.is_alive():
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, "it goes on"
        return self._process.exitcode


@contextmanager
def desk_process(folder: Path, *arguments: str, **variables: str) -> Iterator[DeskProcess]:
    """A desk that serves until the block ends."""
    desk = DeskProcess(folder, *arguments, **variables)
    desk.start()
    try:
        yield desk
    finally:
        desk.kill()
