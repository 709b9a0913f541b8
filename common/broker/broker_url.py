"""BROKER_URL: what it may be, and whose certificate is believed.

Kombu believes any certificate of `rediss://`, and that of any host with `amqps://`, unless it is
told otherwise. Here the certificate must be for the host and signed by an authority of the system,
of SSL_CERT_FILE or of `ssl_ca_certs` in the URL; `ssl_cert_reqs=none` in the URL switches that off.
"""

import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog

from common.errors import UsageError
from common.process.service_urls import check_service_url
from common.process.settings import BrokerSettings

_SCHEMES = ("redis", "rediss", "amqp", "amqps")
_ON_REDIS = "redis://host:6379/0"
_EXAMPLE = f"{_ON_REDIS} or amqp://user:password@host//"
_DATABASE = re.compile(r"/?\d*", re.ASCII)
_FILES = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}
_CHECK = "ssl_cert_reqs"
_OF_CONNECTION = ("heartbeat", "login_method")

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class BrokerUrl:
    """A URL without options of TLS, and these as Celery wants them; False is no TLS."""

    url: str
    tls: dict[str, Any] | bool

    @property
    def on_redis(self) -> bool:
        return self.url.startswith("redis")


def read_broker_url(settings: BrokerSettings) -> BrokerUrl:
    """What BROKER_URL says.

    Raises:
        UsageError: it is malformed, or no URL of a broker that we know.
    """
    url = settings.broker_url.get_secret_value()
    check_service_url(url, variable="BROKER_URL", schemes=_SCHEMES, example=_EXAMPLE)
    scheme, _, rest = url.partition(":")
    if scheme in ("redis", "rediss") and not _DATABASE.fullmatch(urlsplit(url).path):
        raise UsageError(
            f"BROKER_URL must have the number of a database after the host, as in {_ON_REDIS}"
        )
    before, _, query = rest.partition("?")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    has_tls = scheme in ("rediss", "amqps")
    _check_options(asked, [*_OF_CONNECTION, *((*_FILES, _CHECK) if has_tls else ())])
    if not has_tls:
        return BrokerUrl(url=url, tls=False)
    options = {name: asked.pop(name) for name in list(asked) if name.startswith("ssl_")}
    left = f"?{urlencode(asked)}" if asked else ""
    found = _options(options, urlsplit(url).hostname, on_redis=scheme == "rediss")
    return BrokerUrl(url=f"{scheme}:{before}{left}", tls=found)


def _check_options(asked: dict[str, str], known: list[str]) -> None:
    """Kombu raises errors of its own for others; a name may be a part of the password."""
    if unknown := asked.keys() - set(known):
        name = min(unknown)
        shown = name if name.startswith("ssl_") else "an option"
        raise UsageError(f"BROKER_URL has {shown}, which is unknown. Known are {', '.join(known)}.")
    if not asked.get("heartbeat", "0").isdecimal():
        raise UsageError("heartbeat in BROKER_URL must be a number of seconds.")


def _options(asked: dict[str, str], host: str | None, *, on_redis: bool) -> dict[str, Any]:
    """The options of redis-py or of py-amqp for those of the URL."""
    check = asked.pop(_CHECK, "required").removeprefix("CERT_").lower()  # Celery's docs shout
    if check not in ("required", "none"):
        raise UsageError(f"{_CHECK} in BROKER_URL must be `required` (the default) or `none`.")
    unchecked = check == "none"
    if unchecked:
        log.warning(
            "any certificate of the broker is believed, also that of someone in between",
            remedy=f"remove {_CHECK}=none from BROKER_URL; ssl_ca_certs names your authority",
        )
    mode = ssl.CERT_NONE if unchecked else ssl.CERT_REQUIRED
    if on_redis:
        return {_CHECK: mode, **asked}
    named = {} if unchecked else {"server_hostname": host}
    return {"cert_reqs": mode, **named, **{_FILES[name]: value for name, value in asked.items()}}
