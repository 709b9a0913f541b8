"""A real PgBouncer in front of the tests' Postgres, set up as docs/how-to/connections.md says."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest
from sqlalchemy import make_url

from deploy.local import Postgres
from deploy.local.bound import Account, bound_command

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
SECONDS = 60.0  # until it answers; the machine may be busy
SESSIONS = 4  # of Postgres, fewer than connections of a worker

# Each transaction goes to another session than the one before, as it may on a busy day.
_SETTINGS = """
[databases]
* = host={host} port={host_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
query_wait_timeout = 15
server_login_retry = 1
logfile = {log}
"""


class PgBouncer:
    """It runs for as long as the block lasts; a test that asks for it skips where there is none."""

    def __init__(self, postgres: Postgres) -> None:
        if PROGRAM is None:
            pytest.skip("no pgbouncer on this machine")
        self._where = make_url(postgres.url).query
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._folder = tempfile.TemporaryDirectory(prefix="pgbouncer-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name) / "log"

    def url_of(self, database_url: str) -> str:
        """The way to a database through the pool."""
        url = make_url(database_url).set(query={}, host="127.0.0.1", port=self._port)
        return url.render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        settings = Path(self._folder.name) / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                host=self._where["host"],
                host_port=self._where["port"],
                port=self._port,
                sessions=SESSIONS,
                log=self._log,
            )
        )
        account = _account_for(Path(self._folder.name))
        command = [str(PROGRAM), "-q", str(settings)]
        self._process = subprocess.Popen(
            bound_command(command, death_signal=signal.SIGKILL, account=account),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + SECONDS
        while not self._accepts():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "PgBouncer did not answer"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _accepts(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return True
        except OSError:
            return False


def _account_for(folder: Path) -> Account | None:
    """It refuses to run as root, and then is the account that Postgres has; the folder is its."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return Account(nobody.pw_uid, nobody.pw_gid)
