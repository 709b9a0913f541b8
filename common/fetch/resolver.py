"""From host names to addresses, within a time limit, and not once for every picture."""

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from ipaddress import ip_address

from common.fetch.addresses import IPAddress

Lookup = Callable[[str], Sequence[str]]
"""From a host name to its addresses; raises OSError when it has none."""


def system_lookup(host: str) -> Sequence[str]:
    """The addresses of a host by the system's resolver, the one to try first in front."""
    answers = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True)
class _Answer:
    addresses: Future[tuple[IPAddress, ...]] = field(default_factory=Future)
    asked_at: float = field(default_factory=time.monotonic)

    def is_usable(self, seconds_kept: float) -> bool:
        failed = self.addresses.done() and self.addresses.exception() is not None
        return not failed and time.monotonic() - self.asked_at < seconds_kept


class Resolver:
    """Looks names up with a time limit, one look-up a name at a time, and remembers for a while.

    The system's look-up cannot be interrupted, so each one runs in a daemon thread that a caller
    gives up on when its time is over.
    """

    def __init__(
        self,
        lookup: Lookup = system_lookup,
        *,
        seconds_kept: float = 60.0,
        names_kept: int = 10_000,
    ) -> None:
        self._lookup = lookup
        self._seconds_kept = seconds_kept
        self._names_kept = names_kept
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(self, host: str, *, timeout: float) -> tuple[IPAddress, ...]:
        """All addresses of the host, in the order to try them.

        Raises:
            OSError: the name does not resolve, or not in `timeout` seconds.
        """
        try:
            return (ip_address(host),)
        except ValueError:
            return self._answer(host).addresses.result(timeout)

    def _answer(self, host: str) -> _Answer:
        with self._lock:
            answer = self._answers.get(host)
            if answer is not None and answer.is_usable(self._seconds_kept):
                return answer
            answer = self._answers[host] = _Answer()
            self._answers.move_to_end(host)
            if len(self._answers) > self._names_kept:
                self._answers.popitem(last=False)
        threading.Thread(
            target=self._look_up, args=(host, answer), name=f"dns-{host}", daemon=True
        ).start()
        return answer

    def _look_up(self, host: str, answer: _Answer) -> None:
        try:
            addresses = tuple(ip_address(text) for text in self._lookup(host))
            if not addresses:
                raise OSError("no address")
        except (OSError, ValueError) as error:
            answer.addresses.set_exception(OSError(str(error)))
        else:
            answer.addresses.set_result(addresses)
