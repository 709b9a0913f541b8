"""TLS in front of a service that has a Unix socket only."""

import socket
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def open_door(service: Path, certificate: Path) -> Iterator[int]:
    """The port by which a service is reached, with this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    class Visit(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as inside:
                inside.connect(str(service))
                with context.wrap_socket(self.request, server_side=True) as outside:
                    back = Thread(target=copy, args=(inside, outside), daemon=True)
                    back.start()
                    copy(outside, inside)
                    back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Visit) as door:
        door.daemon_threads = True
        Thread(target=door.serve_forever, daemon=True).start()
        yield int(door.server_address[1])
        door.shutdown()
