"""Asking a desk over HTTP without a browser: as its own pages do, and as no browser would."""

import re
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.desk.desk_process import PATIENCE
from tests.desk.museum import PASSWORD
from tests.desk.served import ServedDesk

_WORD = re.compile(r'name="csrf" value="([^"]+)"')


class Caller:
    """Whoever asks a desk, with cookies of their own; `word` is that of the last page's forms."""

    def __init__(self, desk: ServedDesk, name: str | None = None) -> None:
        self.url = desk.url
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy of the machine
        self.word = ""
        if name is not None:
            self.log_in(name)

    def get(self, path: str, **headers: str) -> requests.Response:
        """A page, without going where it leads."""
        return self._seen(self.session.get(self.url + path, headers=headers, **_OPTIONS))

    def post(
        self, path: str, fields: object = None, *, word: str | None = None, **more: Any
    ) -> requests.Response:
        """An action with the word of the forms, or with another one."""
        headers = {"x-csrf": self.word if word is None else word} | more.pop("headers", {})
        sent = self.session.post(self.url + path, data=fields, headers=headers, **_OPTIONS | more)
        return self._seen(sent)

    def log_in(self, name: str, password: str = PASSWORD, **fields: str) -> requests.Response:
        self.get("/login")
        entered = self.post("/login", {"name": name, "password": password} | fields)
        if entered.status_code == requests.codes.see_other:
            self.get("/models")
        return entered

    def _seen(self, response: requests.Response) -> requests.Response:
        if found := _WORD.search(response.text):
            self.word = found[1]
        return response


_OPTIONS: Mapping[str, Any] = {"allow_redirects": False, "timeout": PATIENCE}


def raw(desk: ServedDesk, sent: bytes, *, seconds: float = PATIENCE) -> bytes:
    """What the desk answers to bytes, until it closes the connection."""
    parts = urlsplit(desk.url)
    came = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as connection:
        connection.sendall(sent.replace(b"HOST", parts.netloc.encode()))
        while piece := connection.recv(65_536):
            came += piece
    return came
