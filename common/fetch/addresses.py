"""Which addresses may be fetched from, and which addresses a host name has.

URLs are not trusted, and must not lead into our own network. Names are looked up within a time
limit, and the answers are kept for a minute.
"""

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from common.errors import UsageError
from common.reasons import Reason

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})

# From the IANA special-purpose registries. Python's `is_global` is not enough: it lets multicast,
# 6to4 and NAT64 pass, and it changes with the Python release.
REFUSED_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, unspecified
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, from inside a public range
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relay
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

# Everything outside is loopback, link-local, site-local, unique local, multicast, NAT64
# (64:ff9b::/96, 64:ff9b:1::/48), IPv4-compatible, or not assigned.
GLOBAL_IPV6 = IPv6Network("2000::/3")
REFUSED_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking, AMT
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds any IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
Lookup = Callable[[str], Sequence[str]]
"""From a host name to its addresses; raises OSError when it has none."""


@dataclass(frozen=True)
class AddressPolicy:
    """Public addresses on the usual ports, and every port of the networks allowed by name."""

    allowed_networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def parse(cls, networks: str) -> Self:
        """The policy for a comma-separated list of networks, as in FETCH_ALLOW_ADDRESSES.

        Raises:
            UsageError: a part of the list is no network.
        """
        parts = [part.strip() for part in networks.split(",")]
        return cls(tuple(_network(part) for part in parts if part))

    def choose(self, addresses: Iterable[IPAddress], *, port: int) -> list[IPAddress]:
        """Those of a host's addresses that may be connected to, in their order.

        Raises:
            RecordError: `address_refused` or `port_refused`, when there are none.
        """
        addresses = list(addresses)
        allowed = [address for address in addresses if self.allows(address)]
        if allowed:
            return allowed
        public = [address for address in addresses if is_public(address)]
        if not public:
            refused = ", ".join(map(str, addresses)) or "no address"
            raise Reason.ADDRESS_REFUSED.error(f"the host has no public address ({refused})")
        if port not in PUBLIC_PORTS:
            raise Reason.PORT_REFUSED.error(f"port {port} is not used by web servers")
        return public

    def allows(self, address: IPAddress) -> bool:
        return _in_any(embedded(address), self.allowed_networks)


@lru_cache(maxsize=4096)
def is_public(address: IPAddress) -> bool:
    address = embedded(address)
    if isinstance(address, IPv4Address):
        return not _in_any(address, REFUSED_IPV4)
    return (
        address.scope_id is None and address in GLOBAL_IPV6 and not _in_any(address, REFUSED_IPV6)
    )


def embedded(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv4-mapped one stands for: the kernel connects to that."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _in_any(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in networks)


def _network(text: str) -> IPNetwork:
    try:
        return ip_network(text)
    except ValueError as error:
        raise UsageError(
            f"FETCH_ALLOW_ADDRESSES: '{text}' is not a network. Write a network such as "
            "127.0.0.0/8 or fd00::/8."
        ) from error


def system_lookup(host: str) -> Sequence[str]:
    answers = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True)
class _LookUp:
    addresses: Future[tuple[IPAddress, ...]] = field(default_factory=Future)
    asked_at: float = field(default_factory=time.monotonic)

    def is_usable(self, seconds_kept: float) -> bool:
        failed = self.addresses.done() and self.addresses.exception() is not None
        return not failed and time.monotonic() - self.asked_at < seconds_kept


class NameResolver:
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
        self._look_ups: OrderedDict[str, _LookUp] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(self, host: str, *, timeout: float) -> tuple[IPAddress, ...]:
        """All addresses of the host, in the order to try them.

        Raises:
            OSError: the name does not resolve, or not in `timeout` seconds.
        """
        try:
            return (ip_address(host),)
        except ValueError:
            return self._current_look_up(host).addresses.result(timeout)

    def _current_look_up(self, host: str) -> _LookUp:
        with self._lock:
            look_up = self._look_ups.get(host)
            if look_up is not None and look_up.is_usable(self._seconds_kept):
                return look_up
            look_up = self._look_ups[host] = _LookUp()
            self._look_ups.move_to_end(host)
            if len(self._look_ups) > self._names_kept:
                self._look_ups.popitem(last=False)
        threading.Thread(
            target=self._look_up, args=(host, look_up), name=f"dns-{host}", daemon=True
        ).start()
        return look_up

    def _look_up(self, host: str, look_up: _LookUp) -> None:
        try:
            addresses = tuple(ip_address(text) for text in self._lookup(host))
            if not addresses:
                raise OSError("no address")
        except (OSError, ValueError) as error:
            look_up.addresses.set_exception(OSError(str(error)))
        else:
            look_up.addresses.set_result(addresses)
