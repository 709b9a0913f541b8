"""One server process: start, stop and kill it, and never leave it behind."""

import fcntl
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from common.errors import EnrichmentError
from deploy.local.bound import Account, bound_command

START_SECONDS = 60
STOP_SECONDS = 30
RELEASE_SECONDS = 5  # how long the processes of an earlier server may take to end
POLL_SECONDS = 0.02
LOG_LINES_SHOWN = 5

# A bound process ends with the thread that started it; this thread lasts as long as the
# interpreter.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-servers")


@dataclass(frozen=True)
class Folders:
    """The folder for the servers' data, and a folder with a short path for their sockets."""

    data: Path
    sockets: Path
    durable: bool


class Server(ABC):
    """A server on a Unix socket; its address stays the same after a restart.

    Each process of the server holds a lock on its folder until it ends. So a second server never
    starts on the same data, and `stop` and `kill` return when the last process has ended.
    """

    name: ClassVar[str]
    error: ClassVar[type[EnrichmentError]]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.folder = folders.data / self.name.lower()
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for the environment variable."""

    @abstractmethod
    def _prepare(self) -> Path:
        """Make what the server needs before it starts. Returns the folder that it starts in."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _ready(self, pid: int) -> bool: ...

    @property
    def _account(self) -> Account | None:
        return None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers. If it already runs, this does nothing.

        Raises:
            StoreError, BrokerError: it does not start; the message shows the end of its log.
        """
        if self.running:
            return
        try:
            self._process = self._launch()
            self._wait_until_ready(self._process)
        except OSError as error:
            self.kill()
            raise self.error(f"{self.name} cannot start in {self.folder}: {error}") from error
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask the server to end; if that takes too long, kill it."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server like a crash."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)  # the account must pass
        self.log.touch(mode=0o600)
        with self._lock() as lock, self.log.open("wb") as log:
            folder = self._prepare()
            command = bound_command(
                self._command(), death_signal=self.stop_signal, account=self._account
            )
            return _launcher.submit(
                subprocess.Popen,
                command,
                cwd=folder,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                umask=0o077,
                start_new_session=True,  # Ctrl-C is for the command, not for its servers
            ).result()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._ready(process.pid):
            if process.poll() is not None:
                raise self.error(f"{self.name} did not start. {self._log_end()}")
            if time.monotonic() > deadline:
                raise self.error(
                    f"{self.name} did not answer within {START_SECONDS} s. {self._log_end()}"
                )
            time.sleep(POLL_SECONDS)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        with suppress(self.error), self._lock():  # its children have ended, or the next run began
            pass

    @contextmanager
    def _lock(self) -> Iterator[int]:
        """The descriptor of the lock on this folder. The lock lasts until all processes have closed
        it.
        """
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + RELEASE_SECONDS
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise self.error(
                        f"{self.folder} is in use by another {self.name}. Stop the other "
                        f"{self.name}, or choose another folder for the data."
                    )
                time.sleep(POLL_SECONDS)
            yield descriptor
        finally:
            os.close(descriptor)

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join([f"The end of {self.log}:", *lines])


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def server_environment() -> dict[str, str]:
    """Our environment without variables that configure Postgres; messages are in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}
