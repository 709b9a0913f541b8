"""The URL of a picture, taken apart, repaired and checked before anything is asked of its host."""

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Self
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import idna

from common.errors import RecordError
from common.reasons import Reason

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_LENGTH = 8192  # characters; servers refuse longer request lines

_KEPT = "!$%&'()*+,/:;=?@[]~"  # reserved characters that quoting would change the meaning of
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_NUMBER = re.compile("(.*\\.)?(0x[0-9a-f]*|[0-9]+)")


URL_START = r"substring(record.media_url FROM '^\s*[A-Za-z]+://[^/?#]*')"
"""The SQL expression for what `host_of` reads: scheme and authority of a record's file."""


@dataclass(frozen=True)
class CheckedUrl:
    """A sound http(s) URL; its text form leaves the query out, which may hold someone's key."""

    scheme: str
    host: str  # ASCII, lower case, an IPv6 address without brackets
    port: int
    target: str = field(repr=False)  # percent-encoded path and query

    @classmethod
    def parse(cls, text: str) -> Self:
        """Repair what browsers repair: spaces, non-ASCII characters, stray percent signs.

        Raises:
            RecordError: `unsupported_scheme` or `invalid_url`.
        """
        parts = _split(text)
        if parts.scheme not in DEFAULT_PORTS:
            raise Reason.UNSUPPORTED_SCHEME.error(_scheme_problem(parts.scheme))
        if "@" in parts.netloc:
            raise _invalid("contains a user name")
        path = _percent_encoded(parts.path) or "/"
        query = _percent_encoded(parts.query)
        target = f"{path}?{query}" if query else path
        _check_length(target)
        return cls(scheme=parts.scheme, host=_host(parts), port=_port(parts), target=target)

    def join(self, location: str) -> "CheckedUrl":
        try:
            return CheckedUrl.parse(urljoin(self.full, location))
        except ValueError:
            raise _invalid("redirects to a malformed URL") from None

    @property
    def full(self) -> str:
        """The whole URL, for requests and never for logs."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def host_key(self) -> str:
        """What per-host limits count by: http and https of a name are one machine."""
        return self.host if self.port in DEFAULT_PORTS.values() else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"


def host_of(start: str | None) -> str:
    """The host that limits and reports count by, without user name and password.

    Args:
        start: scheme and authority of a URL, as `URL_START` gives them.

    Returns:
        The `host_key` of a sound URL; else the authority in lower case, empty if there is none.
    """
    scheme, _, authority = (start or "").strip().partition("://")
    bare = authority.rpartition("@")[2]
    try:
        return CheckedUrl.parse(f"{scheme}://{bare}").host_key
    except RecordError:
        return bare.lower()


def _check_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise _invalid(f"has {len(text)} characters; at most {MAX_LENGTH} are allowed")


def _split(text: str) -> SplitResult:
    _check_length(text)
    try:
        return urlsplit(text.strip())
    except ValueError:
        raise _invalid("is malformed") from None


def _scheme_problem(scheme: str) -> str:
    return f"'{scheme}' is neither http nor https" if scheme else "the URL has no scheme"


def _percent_encoded(text: str) -> str:
    try:
        return quote(_LONE_PERCENT.sub("%25", text), safe=_KEPT)
    except UnicodeEncodeError:
        raise _invalid("contains half of a surrogate pair") from None


def _host(parts: SplitResult) -> str:
    """The host in the one form that names are compared, resolved and verified in."""
    try:
        host = (parts.hostname or "").removesuffix(".")
        if parts.netloc.startswith("["):
            return str(_ipv6(host))
        if not host.isascii():
            host = idna.encode(host[:254], uts46=True).decode().lower()
    except ValueError:
        raise _invalid("has a malformed host name") from None
    if not _HOST.fullmatch(host):
        raise _invalid("has no host name" if not host else "has a malformed host name")
    return _ipv4(host) if _NUMBER.fullmatch(host) else host


def _ipv6(host: str) -> IPv6Address:
    address = IPv6Address(host)
    if address.scope_id is not None:
        raise ValueError("an IPv6 address with a scope is not allowed")
    return address


def _ipv4(host: str) -> str:
    """A host that ends in a number must be four plain decimals: 0x7f.1 and 2130706433 are traps."""
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        raise _invalid("has a number as its host that is not a plain IPv4 address") from None


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise _invalid("has a malformed port") from None
    if port == 0:
        raise _invalid("has port 0")
    return port or DEFAULT_PORTS[parts.scheme]


def _invalid(what: str) -> RecordError:
    """To be raised without its cause, which may quote a password or a key in the URL."""
    return Reason.INVALID_URL.error(f"the URL {what}")
