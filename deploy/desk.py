"""`make desk`: the desk on the demo's data, with a worker and a teacher behind it.

Needs DATABASE_URL and BROKER_URL of the demo's store:
`python -m deploy.local --data .demo/services -- python -m deploy.desk` gives both. The sandbox
stands in for Europeana again, at the port that the demo's records name.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from sqlalchemy import text

from common.errors import EnrichmentError, UsageError
from common.files import replacing
from common.store.session import open_store
from deploy.demo import BIN, FOLDER, sandbox_environment
from deploy.local.bound import bound_command
from deploy.sandbox.catalogue import read_catalogue
from deploy.sandbox.server import Sandbox

SETTINGS = FOLDER / "settings.sh"  # of the servers of this run, whose addresses change
BEHIND = (("worker", "run"), ("trainer", "teacher"))
_FILE = text("SELECT media_url FROM record WHERE media_url LIKE 'http://127.0.1.%' LIMIT 1")

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Serve until Ctrl-C; returns the exit code."""
    try:
        with ExitStack() as exits:
            sandbox = exits.enter_context(_sandbox())
            os.environ |= sandbox_environment(sandbox)
            settings = ("DATABASE_URL", "BROKER_URL", *sandbox_environment(sandbox))
            write_settings({name: os.environ[name] for name in settings}, SETTINGS)
            console.print(f"Commands beside it, in another terminal: . {SETTINGS}", markup=False)
            for command in BEHIND:
                exits.enter_context(_running(command))
            serve = ["desk", "serve", "--port", os.environ.get("DESK_PORT", "8000")]
            return subprocess.run(_bound(serve), check=False).returncode
    except EnrichmentError as error:
        console.print(f"error: {error}", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _sandbox() -> Sandbox:
    """The sandbox where the demo's was, so that the addresses in its store lead somewhere."""
    engine = open_store()
    with engine.connect() as connection:
        file = connection.execute(_FILE).scalar()
    engine.dispose()
    if file is None:
        raise UsageError("The store holds no records of the demo. Run first: make demo")
    catalogue = os.environ.get("CATALOG")
    return Sandbox(
        read_catalogue(Path(catalogue)) if catalogue else None, port=urlsplit(file).port or 0
    )


def write_settings(settings: Mapping[str, str], file: Path) -> None:
    """Write what a shell reads, so that commands find the servers of this run."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
    with replacing(file) as temporary:
        temporary.touch(mode=0o600)  # before it is written: addresses of servers may hold passwords
        temporary.write_text("".join(lines))


@contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    """A process of the product for as long as the block lasts; its log is a file."""
    log = FOLDER / f"{command[0]}.log"
    console.print(f"$ {' '.join(command)}  (log: {log})", style="dim", markup=False)
    with (
        log.open("w") as file,
        subprocess.Popen(_bound(command), stderr=file) as running,
    ):
        try:
            yield
        finally:
            running.send_signal(signal.SIGTERM)


def _bound(command: Sequence[str]) -> list[str]:
    """A command of the product that ends with this process, whatever ends it."""
    path = str(BIN / command[0])
    return bound_command([path, *command[1:]], death_signal=signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
