"""Where an HTTP answer ends, so that nothing of it is taken for the answer to the next request.

http.client skips no interim answer but 100, and drops what was received beyond an answer's end.
"""

import select
import socket
import ssl
from http.client import CONTINUE, SWITCHING_PROTOCOLS, HTTPException, HTTPResponse
from typing import Any

MOST_INTERIM = 8  # answers before the final one; honest servers send one or two
BODILESS = frozenset({204, 304})


class FramedResponse(HTTPResponse):
    _interim = 0
    _has_excess = False

    def __init__(self, sock: Any, debuglevel: int = 0, method: str | None = None) -> None:
        HTTPResponse.__init__(self, sock, debuglevel, method)
        self._sock = sock

    @property
    def left_nothing(self) -> bool:
        """Whether it was read to an end that is beyond doubt, and nothing beyond was received.

        An erring server sends a body after 204 and 304 all the same, and perhaps later.
        """
        complete = self.isclosed() and not self.length and not self._has_excess
        return complete and self.status not in BODILESS and self._has_one_length()

    def _has_one_length(self) -> bool:
        """Python's `int` reads more than HTTP allows, as `+5` and `1_0`."""
        lengths = self.headers.get_all("Content-Length", [])
        encodings = self.headers.get_all("Transfer-Encoding", [])
        if self.chunked:
            return not lengths and len(encodings) == 1 and self.version == 11
        return not encodings and len(lengths) == 1 and lengths[0].strip().isdecimal()

    def _read_status(self) -> tuple[str, int, str]:
        """Make all interim answers look like 100."""
        version, status, reason = super()._read_status()  # type: ignore[misc]  # a stub
        if status >= 200:
            return version, status, reason
        self._interim += 1
        if status == SWITCHING_PROTOCOLS or self._interim > MOST_INTERIM:
            raise HTTPException("no final answer")
        return version, CONTINUE, reason

    def _close_conn(self) -> None:
        """Look at the buffer before it is dropped."""
        self._sock.transfer.end()
        self._has_excess = bool(self.fp.peek(1))
        super()._close_conn()  # type: ignore[misc]  # a stub


def said_unasked(sock: socket.socket, waiting: select.poll) -> bytes | None:
    """The first byte that waits in an open socket, b"" if the other end is closed, None if neither.

    Looking takes the byte away. It also takes away what TLS says between answers, such as session
    tickets.

    Args:
        waiting: polls the socket for input.
    """
    if not waiting.poll(0) and not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
        return None
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        return sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return None
    except OSError:
        return b""
    finally:
        sock.settimeout(timeout)
