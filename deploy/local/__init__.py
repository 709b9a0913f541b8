"""A real Postgres and a real Valkey as child processes: nothing to install, nothing left behind.

    with local_services() as services:
        engine = create_engine(services.database_url)

or, for a command that reads DATABASE_URL and BROKER_URL:

    python -m deploy.local -- worker run
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.broker import Broker
from deploy.local.postgres import Postgres
from deploy.local.server import Folders

__all__ = ["Broker", "Folders", "Postgres", "Services", "local_services", "service_folders"]

LONGEST_FOLDER = 60  # characters; with the socket's name it must be below 104


@dataclass(frozen=True)
class Services:
    """The running servers; each can `start`, `stop` and `kill`, and its address stays the same."""

    postgres: Postgres
    broker: Broker

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def broker_url(self) -> str:
        return self.broker.url


@contextmanager
def local_services(data: Path | None = None) -> Iterator[Services]:
    """Run Postgres and Valkey during the block.

    With `data`, that folder keeps the data from run to run, safe against crashes. Without it all
    data are temporary, and the servers are as fast as possible.

    Raises:
        StoreError, BrokerError: a server does not start, or another run uses `data`.
    """
    with (
        service_folders(data) as folders,
        Postgres(folders) as postgres,
        Broker(folders) as broker,
    ):
        yield Services(postgres, broker)


@contextmanager
def service_folders(data: Path | None) -> Iterator[Folders]:
    """The folders of the servers; the temporary ones are gone after the block."""
    with tempfile.TemporaryDirectory(prefix="enrichment-", dir=_temporary_root()) as name:
        temporary = Path(name)
        if os.geteuid() == 0:
            temporary.chmod(0o711)  # the account of Postgres must reach its own folder
        if data is None:
            yield Folders(temporary / "data", sockets=temporary, durable=False)
        else:
            yield Folders(data.absolute(), sockets=temporary, durable=True)


def _temporary_root() -> Path:
    """The usual folder for temporary files, or /tmp if a socket's path would be too long."""
    usual = Path(tempfile.gettempdir()).absolute()
    private = os.geteuid() == 0 and any(
        not folder.stat().st_mode & 0o001 for folder in (usual, *usual.parents)
    )
    return Path("/tmp") if private or len(str(usual)) > LONGEST_FOLDER else usual
