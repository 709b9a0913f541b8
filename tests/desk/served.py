"""A desk in this process: what `desk serve` serves, without the start of a process."""

import io
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from common.process.settings.desk import DeskSettings
from common.store.session import open_store
from desk.app import create_app, create_public_app
from desk.commands.serving import LIMITS, LOOPBACK, server_config
from tests.desk.desk_process import PATIENCE, AtAddress, folders


class ServedDesk(AtAddress):
    """A desk that is a thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._logged = io.StringIO()
        self.handler = logging.StreamHandler(self._logged)

    def log(self) -> str:
        """What it has logged, and its libraries."""
        return self._logged.getvalue()


@contextmanager
def served_desk(folder: Path, *, is_public: bool = False, **variables: str) -> Iterator[ServedDesk]:
    """A desk with these settings, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (folders(folder) | variables).items():
            patch.setenv(name, value)
        settings = DeskSettings.read()
        engine = open_store(limits=LIMITS, connections=settings.desk_connections)
    create = create_public_app if is_public else create_app
    server = uvicorn.Server(server_config(create(engine, settings)))
    listening = socket.create_server((LOOPBACK, 0))
    desk = ServedDesk(f"http://{LOOPBACK}:{listening.getsockname()[1]}")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    logging.getLogger().addHandler(desk.handler)
    thread.start()
    try:
        yield desk
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        logging.getLogger().removeHandler(desk.handler)
        listening.close()
        engine.dispose()
