import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stamina

from common.process.settings import ApiSettings

Script = Callable[[BaseHTTPRequestHandler], None]


class ScriptedServer(ThreadingHTTPServer):
    """A server whose answers a test writes itself: for what no sandbox of ours would ever say."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripts: list[Script] = []  # one a request, the last for all that follow
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def settings(self) -> ApiSettings:
        url = f"http://127.0.0.1:{self.server_port}"
        return ApiSettings(europeana_api_key="hunter2", europeana_api_url=url)

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_GET(self) -> None:
        server = self.server
        server.requests.append((self.path, dict(self.headers.items())))
        script = server.scripts.pop(0) if len(server.scripts) > 1 else server.scripts[0]
        script(self)

    def log_message(self, *_: object) -> None:
        """Not into the output of the tests."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _few_and_quick_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def answering(body: object, status: int = 200, **headers: str) -> Script:
    """A script that sends a status and a body, as JSON unless it is bytes."""

    def script(handler: BaseHTTPRequestHandler) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return script
