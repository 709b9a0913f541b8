"""Small servers that say exactly the bytes a test wants, over real sockets."""

import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

Answer = Callable[["Request", socket.socket], None]


@dataclass
class Request:
    target: str
    headers: dict[str, str]


@dataclass
class Server:
    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def url(self, target: str = "/picture.jpg", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{target}"


class _Handler(socketserver.BaseRequestHandler):
    server: "_Listener"

    def handle(self) -> None:
        self.server.record.connections += 1
        with suppress(OSError), self.request.makefile("rb") as lines:
            while (request := _read_request(lines)) is not None:
                self.server.record.requests.append(request)
                self.server.answer(request, self.request)


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, answer: Answer, context: ssl.SSLContext | None, address: str) -> None:
        super().__init__((address, 0), _Handler)
        self.answer = answer
        self.context = context
        self.record = Server(self.server_address[1])
        self.open: set[socket.socket] = set()

    def get_request(self):
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no failure here."""


@contextmanager
def serving(
    answer: Answer, context: ssl.SSLContext | None = None, *, address: str = "127.0.0.1"
) -> Iterator[Server]:
    """A server on a free port for which `answer` writes to the socket."""
    with _Listener(answer, context, address) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listener.record
        finally:
            listener.shutdown()
            thread.join()
            for connection in list(listener.open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def response(body: bytes = b"", *, status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer; headers as keywords, `content_length` by default the true one."""
    headers = {"content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""])
    return head.encode("latin-1") + body


def answering(content: bytes) -> Answer:
    """Say these bytes to every request and keep the connection."""
    return lambda request, connection: connection.sendall(content)


def closing(content: bytes) -> Answer:
    """Say these bytes and hang up."""

    def answer(request: Request, connection: socket.socket) -> None:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_RDWR)

    return answer


def encoded(image: Image.Image, image_format: str = "JPEG", **options: object) -> bytes:
    """The bytes of a picture file."""
    stream = BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def _read_request(lines) -> Request | None:
    first = lines.readline()
    if not first.strip():
        return None
    headers = {}
    while line := lines.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(first.decode("latin-1").split(" ")[1], headers)


JPEG = encoded(Image.new("RGB", (64, 48), "teal"))
OTHER_JPEG = encoded(Image.new("RGB", (64, 48), "coral"))


class Counting:
    """A host that answers after a while, and counts."""

    def __init__(self, seconds: float = 0.04) -> None:
        self._seconds = seconds
        self.running = self.most = 0
        self.asked: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def __call__(self, request, connection) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.asked.append((time.monotonic(), request.headers["user-agent"]))
        time.sleep(self._seconds)
        with self._lock:
            self.running -= 1
        connection.sendall(response(JPEG))
