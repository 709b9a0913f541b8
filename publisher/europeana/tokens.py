"""Access tokens by client credentials (RFC 6749, section 4.4), renewed before they end."""

import threading
import time

import requests

from common.errors import ApiError, KeyRefusedError, UnreachableError
from common.process.settings import PublisherSettings

TIMEOUT = (5.0, 15.0)  # seconds to connect, and without a byte
RENEWED = 0.8  # of a token's life after which it is renewed


class AccessTokens:
    """The token of a client; threads may share it.

    Args:
        settings: the issuer, and the client with its secret.
    """

    def __init__(self, settings: PublisherSettings) -> None:
        self._url = f"{settings.europeana_auth_url}/protocol/openid-connect/token"
        self._client = settings.europeana_client_id
        self._secret = settings.europeana_client_secret.get_secret_value()
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def get(self) -> str:
        """A token that is valid now.

        Raises:
            KeyRefusedError: the Auth Service refuses the client.
            UnreachableError: it does not answer.
            ApiError: it answers in a form that we do not know.
        """
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._renew()
            return self._token

    def forget(self, token: str) -> None:
        """Ask for a new token next time, because the API refused this one."""
        with self._lock:
            if token == self._token:
                self._renew_at = 0.0

    def _renew(self) -> None:
        began = time.monotonic()
        try:
            answer = requests.post(
                self._url,
                data={"grant_type": "client_credentials"},
                auth=(self._client, self._secret),
                timeout=TIMEOUT,
                allow_redirects=False,  # they would carry the secret to another host
            )
        except requests.RequestException as error:
            raise UnreachableError(
                f"The Auth Service at {self._url} does not answer. Check EUROPEANA_AUTH_URL."
            ) from error
        if answer.status_code in (400, 401, 403):
            raise KeyRefusedError(
                f"The Auth Service at {self._url} refuses the client {self._client} "
                f"({answer.status_code}). Check EUROPEANA_CLIENT_ID and EUROPEANA_CLIENT_SECRET."
            )
        if answer.status_code >= 500:
            raise UnreachableError(
                f"The Auth Service at {self._url} answers {answer.status_code}. Try again later."
            )
        try:
            given = answer.json()
            token, seconds = str(given["access_token"]), float(given["expires_in"])
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(
                f"The Auth Service at {self._url} answers {answer.status_code} without a token. "
                "Check EUROPEANA_AUTH_URL."
            ) from error
        self._token, self._renew_at = token, began + RENEWED * seconds
