"""`make desk`: the desk on the demo's data, with a worker, a teacher and a publisher behind it.

Needs DATABASE_URL and BROKER_URL of the demo's store: `python -m deploy.local --data .demo/services
-- python -m deploy.desk` gives both. The sandbox is again in place of Europeana, at the port in the
demo's records.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import IO
from urllib.parse import urlsplit

from rich.console import Console
from sqlalchemy import text

from common.errors import EnrichmentError, UsageError
from common.files import replacing
from common.store.session import open_store
from deploy.demo import demo_catalogue, sandbox_environment
from deploy.demo_commands import BIN, FOLDER
from deploy.local.bound import bound_command
from deploy.sandbox.server import Sandbox

SETTINGS = FOLDER / "settings.sh"  # of the servers of this run; their addresses change
BEHIND = (("worker", "run"), ("trainer", "teacher"), ("publisher", "run"))
TOLD_TO_END = (0, 130, -signal.SIGINT, -signal.SIGTERM)  # exit codes after Ctrl-C or SIGTERM
POLL_SECONDS = 0.2
PAUSE_SECONDS = 3.0  # before a process that ended by itself is started again
_FILE = text("SELECT media_url FROM record WHERE media_url LIKE 'http://127.0.1.%' LIMIT 1")

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Serve until Ctrl-C; returns the exit code."""
    try:
        with ExitStack() as exits:
            sandbox = exits.enter_context(_sandbox())
            os.environ |= sandbox_environment(sandbox)
            os.environ["PATH"] = f"{BIN.resolve()}{os.pathsep}{os.environ['PATH']}"
            settings = ("PATH", "DATABASE_URL", "BROKER_URL", *sandbox_environment(sandbox))
            write_settings({name: os.environ[name] for name in settings}, SETTINGS)
            console.print(
                f"To run commands in another terminal, first type: . {SETTINGS}", markup=False
            )
            for command in BEHIND:
                log = FOLDER / f"{command[0]}.log"
                console.print(f"$ {' '.join(command)}  (log: {log})", style="dim", markup=False)
                exits.enter_context(running(_bound(command), log))
            serve = ["desk", "serve", "--port", os.environ.get("DESK_PORT", "8000")]
            return subprocess.run(_bound(serve), check=False).returncode
    except EnrichmentError as error:
        console.print(f"error: {error}", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _sandbox() -> Sandbox:
    """The sandbox at the demo's port, so that the addresses in its store work."""
    engine = open_store()
    with engine.connect() as connection:
        file = connection.execute(_FILE).scalar()
    engine.dispose()
    if file is None:
        raise UsageError("The store has no records of the demo. Run first: make demo")
    port = urlsplit(file).port or 0
    return Sandbox(demo_catalogue(), port=port, first_annotation=int(time.time()))


def write_settings(settings: Mapping[str, str], file: Path) -> None:
    """Write settings for a shell, so that commands find the servers of this run."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
    with replacing(file) as temporary:
        temporary.touch(mode=0o600)  # before it is written: addresses may have passwords
        temporary.write_text("".join(lines))


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[None]:
    """Run a process during the block; if it fails or is killed, start it again.

    Args:
        log: the file for its standard error.
    """
    over = Event()
    with log.open("w") as file:
        keeper = Thread(target=_keep_running, args=(command, file, over))
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()


def _keep_running(command: Sequence[str], log: IO[str], over: Event) -> None:
    while not over.is_set():
        with subprocess.Popen(command, stderr=log) as process:
            while process.poll() is None:
                if over.wait(POLL_SECONDS):
                    process.terminate()
                    break
        if over.is_set() or process.returncode in TOLD_TO_END:
            return
        console.print(
            f"{Path(log.name).stem} ended with exit code {process.returncode} and starts again. "
            f"Its log: {log.name}",
            markup=False,
        )
        over.wait(PAUSE_SECONDS)


def _bound(command: Sequence[str]) -> list[str]:
    """A command of the product that ends with this process, even if this is killed."""
    path = str(BIN / command[0])
    return bound_command([path, *command[1:]], death_signal=signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
