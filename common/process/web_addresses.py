"""Addresses of pages: whether they are safe for secrets, and how browsers write them."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether a host, named without its port, is this machine whatever a name server says."""
    name = host.strip("[]").lower().removesuffix(".")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def is_safe_place(url: str) -> bool:
    """Whether a URL may carry secrets: by https, or to this machine."""
    parts = split_address(url)
    return parts is not None and (parts.scheme == "https" or is_loopback(parts.hostname or ""))


def origin(url: str) -> str:
    """Scheme, host and port of a checked URL, as browsers write them in the header Origin."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode("ascii")
    shown = f"[{host}]" if ":" in host else host
    usual = parts.port in (None, _PORTS[parts.scheme])
    return f"{parts.scheme}://{shown}" if usual else f"{parts.scheme}://{shown}:{parts.port}"


def split_address(url: str) -> SplitResult | None:
    """A URL in its parts; none if it is no plain http(s) address with a host."""
    try:
        parts = urlsplit(url)
        plain = parts.port != 0 and parts.hostname and origin(url)
    except (ValueError, KeyError, UnicodeError):
        return None
    strange = parts.username is not None or parts.fragment or not url.isprintable() or " " in url
    return None if strange or not plain else parts
