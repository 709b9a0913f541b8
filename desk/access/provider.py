"""The addresses and keys that an OpenID Connect provider publishes. The desk caches them.

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from common.errors import LoginRefusedError
from common.process.web_addresses import is_safe_place

TIMEOUT = (5.0, 10.0)  # seconds to connect, and to wait for the next byte
SECONDS_KEPT = 3600.0
SECONDS_AWAY = 15.0  # after a failure, the provider is not asked for so long
LONGEST_WAIT = 2.0  # seconds that a thread waits while another one asks
_MOST = 1 << 20  # bytes of an answer
# No algorithm with a shared secret: the desk's own secret would then be enough to forge a login.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_USUAL_ALGORITHM = "RS256"


@dataclass(frozen=True, kw_only=True)
class ProviderPlaces:
    authorization: str
    token: str
    keys: str
    algorithms: tuple[str, ...]
    takes_basic: bool


class Discovery:
    """Addresses and keys of one provider. Threads may share it.

    One thread asks at a time, and others wait only briefly. So a provider that does not answer
    keeps only one thread of the desk busy.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self.host = urlsplit(issuer).netloc
        self._lock = threading.Lock()
        self._failed_at: float | None = None
        self._places: tuple[float, ProviderPlaces] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def places(self) -> ProviderPlaces:
        """The addresses of the provider.

        Raises:
            LoginRefusedError: the provider cannot be reached, or its answer is not valid.
        """
        with self._turn():
            if self._places is None or _is_old(self._places[0]):
                url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
                self._places = time.monotonic(), self._read_places(self._fetch(url))
            return self._places[1]

    def keys(self, *, fresh: bool = False) -> KeySet:
        """The keys with which the provider signs.

        Args:
            fresh: fetch them even if they are cached, because a key was missing.

        Raises:
            LoginRefusedError: the provider cannot be reached, or its keys cannot be read.
        """
        url = self.places().keys
        with self._turn():
            if fresh or self._keys is None or _is_old(self._keys[0]):
                try:
                    found = KeySet.import_key_set(self._fetch(url))  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise self.refusal("publishes keys that cannot be read") from error
                self._keys = time.monotonic(), found
            return self._keys[1]

    def refusal(self, what: str) -> LoginRefusedError:
        """An error whose sentence has the provider as its subject and `what` as its verb."""
        return LoginRefusedError(f"The identity provider at {self.host} {what}.")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=LONGEST_WAIT):
            raise self.refusal("is slow to answer; try again later")
        try:
            yield
        finally:
            self._lock.release()

    def _read_places(self, said: dict[str, Any]) -> ProviderPlaces:
        if said.get("issuer") != self._issuer:
            raise self.refusal("has another name than OIDC_ISSUER; both must be exactly the same")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        urls = [said.get(name) for name in names]
        for name, url in zip(names, urls, strict=True):
            if not isinstance(url, str) or not is_safe_place(url):
                raise self.refusal(f"gives no https address as its {name}")
        offered = said.get("id_token_signing_alg_values_supported", [_USUAL_ALGORITHM])
        known = tuple(name for name in _ALGORITHMS if isinstance(offered, list) and name in offered)
        if not known:
            raise self.refusal("uses a kind of signature that the desk cannot check")
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return ProviderPlaces(
            authorization=str(urls[0]),
            token=str(urls[1]),
            keys=str(urls[2]),
            algorithms=known,
            takes_basic="client_secret_basic" in methods,
        )

    def _fetch(self, url: str) -> dict[str, Any]:
        if self._failed_at is not None and time.monotonic() - self._failed_at < SECONDS_AWAY:
            raise self.refusal("cannot be reached; try again in a minute")
        try:
            with requests.get(url, timeout=TIMEOUT, allow_redirects=False, stream=True) as response:
                content = response.raw.read(_MOST + 1, decode_content=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self._failed_at = time.monotonic()
            raise self.refusal("cannot be reached; try again later") from error
        try:
            said = json.loads(content) if len(content) <= _MOST else None
        except (ValueError, RecursionError):
            said = None
        if response.status_code != requests.codes.ok or not isinstance(said, dict):
            raise self.refusal(f"answers {response.status_code} without a JSON object")
        return said


def _is_old(since: float) -> bool:
    return time.monotonic() - since > SECONDS_KEPT
