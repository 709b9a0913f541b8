"""One question to a Europeana API: the key, its quota, the deadline, the retries, and errors.

When the quota is used up, all threads that use the key wait together until it is renewed.
Sources: https://europeana.atlassian.net/wiki/spaces/EF/pages/2462351393 (keys), the RateLimit
headers of the IETF draft, and error codes of Europeana's server code.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import stamina
import structlog
import urllib3
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from common.errors import (
    ApiError,
    CursorRefusedError,
    KeyRefusedError,
    UnreachableError,
    UsageError,
)
from common.europeana.quota import QUOTA_WINDOW, QuotaGate, seconds_to_renewal
from common.process.settings import ApiSettings

log = structlog.get_logger()
CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 15.0  # seconds without a single byte
DEADLINE = 60.0  # seconds for one question with its retries, without waiting for the quota
ATTEMPTS = 5
MAX_ANSWER = 32 << 20  # bytes; a page of 100 rich items has about one million
LONGEST_QUOTA_WAIT = QUOTA_WINDOW + 120.0  # seconds
_KEY_FORM = re.compile(r"[!-~]+")
_KNOWN_MEMBERS = ("success", "object")  # another server's 404 has neither
_GET_A_KEY = "get a key at https://apis.europeana.eu and set EUROPEANA_API_KEY"


class _TransientFailure(Exception):  # noqa: N818 - never leaves this module
    """A failure that is worth another attempt."""


def _tell_of_retry(details: RetryDetails) -> None:
    """Log a failure in a sentence; the library's own line names its internals."""
    log.warning(
        "The API of Europeana did not answer. The request is sent again.",
        problem=str(details.caused_by),
        attempt=f"{details.retry_num + 1} of {ATTEMPTS}",
        in_seconds=round(details.wait_for, 1),
    )


set_on_retry_hooks([_tell_of_retry])


@dataclass(frozen=True)
class ApiResponse:
    """What an API said: the HTTP status and the JSON object of the body."""

    status: int
    body: Mapping[str, Any]
    quota: str
    retry_after: str
    location: str  # of a redirect, else empty

    @property
    def code(self) -> str:
        return str(self.body.get("code") or "")

    @property
    def quota_used_up(self) -> bool:
        return self.status == 429 or self.code.startswith("429")


class ApiTransport:
    """Asks the APIs at one address with one key; threads may share it.

    Args:
        longest_quota_wait: seconds to wait, in one call, until a used-up quota is renewed.
        attempts: how often a question is asked that gets no answer.
    """

    def __init__(
        self,
        settings: ApiSettings,
        *,
        longest_quota_wait: float = LONGEST_QUOTA_WAIT,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._url = settings.europeana_api_url.rstrip("/")
        self.host = _host(self._url)
        self._key = settings.europeana_api_key.get_secret_value().strip()
        if not _KEY_FORM.fullmatch(self._key):
            raise UsageError("EUROPEANA_API_KEY contains characters that are not allowed in a key.")
        self._longest_quota_wait = longest_quota_wait
        self._attempts = attempts
        self._gate = QuotaGate()
        self._session = requests.Session()
        self._session.headers["X-Api-Key"] = self._key
        self._session.headers["User-Agent"] = "europeana-image-enrichment"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; threads that wait for the quota give up."""
        self._gate.abandon()
        self._session.close()

    def get(
        self,
        path: str,
        parameters: Sequence[tuple[str, str]] = (),
        *,
        also: Sequence[int] = (),
    ) -> ApiResponse:
        """Ask one question; returns a successful response, or one with a status in `also`.

        Raises:
            KeyRefusedError: the key is unknown or disabled.
            RateLimitedError: the quota is used up for longer than `longest_quota_wait`.
            UnreachableError: no answer after several attempts.
            CursorRefusedError: the cursor among the parameters is not accepted.
            ApiError: any other response.
        """
        caller = stamina.RetryingCaller(
            attempts=self._attempts, timeout=DEADLINE, wait_initial=0.5, wait_max=10.0
        ).on(_TransientFailure)
        waited, why = 0.0, ""
        while True:
            waited += self._gate.wait(longest=self._longest_quota_wait - waited, why=why)
            deadline = time.monotonic() + DEADLINE
            try:
                response = caller(self._ask, path, tuple(parameters), deadline)
            except _TransientFailure as failure:
                raise UnreachableError(f"{self.host} cannot be reached: {failure}.") from failure
            if not response.quota_used_up:
                return self._checked(response, also)
            self._gate.close(seconds_to_renewal(response.quota, response.retry_after))
            why = f" ({self._words(response)})"

    def _ask(
        self, path: str, parameters: Sequence[tuple[str, str]], deadline: float
    ) -> ApiResponse:
        try:
            with self._session.get(
                self._url + path,
                params=list(parameters),
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,  # they would carry the key to another host
                stream=True,
            ) as response:
                if response.status_code >= 500:
                    raise _TransientFailure(f"it answers {response.status_code}")
                return self._parsed(response, _read(response, deadline))
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise _TransientFailure("it does not answer in time") from error
        except (requests.ConnectionError, urllib3.exceptions.HTTPError, OSError) as error:
            raise _TransientFailure(_plain(error)) from error

    def _parsed(self, response: requests.Response, content: bytes) -> ApiResponse:
        try:
            body = {} if response.is_redirect and not content else json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise ApiError(
                f"{self.host} answers {response.status_code} without a JSON object; "
                "is EUROPEANA_API_URL the address of the Europeana APIs?"
            )
        headers = response.headers
        return ApiResponse(
            response.status_code,
            body,
            quota=headers.get("RateLimit", ""),
            retry_after=headers.get("Retry-After", ""),
            location=headers.get("Location", ""),
        )

    def _checked(self, response: ApiResponse, also: Sequence[int]) -> ApiResponse:
        if (
            response.status == 401
            or response.code.startswith("401")
            or response.code == "invalid_apikey"
        ):
            raise KeyRefusedError(
                f"{self.host} refuses the API key ({self._words(response)}); {_GET_A_KEY}."
            )
        if response.code == "400-SC":
            raise CursorRefusedError(f"{self.host} does not accept the cursor of the next page.")
        succeeded = response.status == 200 and response.body.get("success") is not False
        in_known_form = response.location or not response.body.keys().isdisjoint(_KNOWN_MEMBERS)
        if not succeeded and not (response.status in also and in_known_form):
            raise ApiError(f"{self.host} answers {response.status}: {self._words(response)}.")
        return response

    def _words(self, response: ApiResponse) -> str:
        """The API's own words on one short line, without the key, which it may repeat."""
        given = [
            response.code,
            *(str(response.body.get(name) or "") for name in ("error", "message")),
        ]
        parts = [part for each in given if (part := " ".join(each.split()).rstrip("."))]
        text = "; ".join(dict.fromkeys(parts)) or "no reason given"
        return text.replace(self._key, "***")[:300]


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _read(response: requests.Response, deadline: float) -> bytes:
    content = bytearray()
    while part := response.raw.read1(1 << 16, decode_content=True):
        content += part
        if len(content) > MAX_ANSWER:
            raise ApiError(
                f"{_host(response.url)} sends an answer of more than {MAX_ANSWER >> 20} MiB, "
                "so the answer was not read."
            )
        if time.monotonic() > deadline:
            raise _TransientFailure("it does not answer in time")
    return bytes(content)


def _plain(error: Exception) -> str:
    """The innermost cause in a few words; the libraries wrap it several times."""
    reason = error.args[0] if error.args else error
    inner = getattr(reason, "reason", None) or reason
    text = str(inner).rsplit(": ", maxsplit=1)[-1].strip("()'\" ")
    closing = ")" if text.count("(") > text.count(")") else ""
    return f"{text}{closing}" if text else type(error).__name__
