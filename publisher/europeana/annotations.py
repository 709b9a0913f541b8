"""Europeana's Annotation API: to post, find, read and delete annotations.

What is certain after a request decides how a publication goes on. So each answer is one of: done,
rejected, certainly not written (`NotWrittenError`), or perhaps written (`UnknownOutcomeError`).
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851, and the server's code
(github.com/europeana/annotation).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from common.errors import ApiError, KeyRefusedError
from common.europeana.linked_data import iri
from common.process.settings import PublisherSettings
from publisher.europeana.outcomes import NotWrittenError, RejectedError, UnknownOutcomeError
from publisher.europeana.statement import PostedStatement
from publisher.europeana.tokens import AccessTokens

BASE = "http://data.europeana.eu/annotation/"
PAGE = 100  # annotations of a search
LONGEST_WORDS = 300  # characters of an API's explanation
_IDS = re.compile(r"\b\d{1,18}\b")
_GONE = (404, 410)


@dataclass(frozen=True, kw_only=True)
class StandingAnnotation:
    """An annotation as it is at Europeana now; `etag` goes with a request that changes it."""

    content: dict[str, Any]
    etag: str


class AnnotationClient:
    """The Annotation API; threads may share it.

    Every call raises KeyRefusedError if the API refuses the token or the key, and ApiError for an
    answer of an unknown form: it may be another server.

    Args:
        timeout: seconds without a byte of an answer.
        connections: how many are kept open.
    """

    def __init__(
        self, settings: PublisherSettings, *, timeout: float, connections: int = 10
    ) -> None:
        self._url = f"{settings.europeana_api_url.rstrip('/')}/annotation"
        self._host = urlsplit(self._url).netloc
        self._client = settings.europeana_client_id
        self._tokens = AccessTokens(settings)
        self._timeout = (min(5.0, timeout), timeout)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "europeana-image-enrichment"
        self._key = {"X-Api-Key": settings.europeana_api_key.get_secret_value().strip()}
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections)
        self._session.mount(self._url, adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def post(self, statement: PostedStatement) -> str:
        """Post an annotation, indexed at once; returns its URI.

        Raises:
            RejectedError: Europeana does not take it.
            NotWrittenError, UnknownOutcomeError: as the module says.
        """
        answer = self._write(
            "POST", "/", params={"indexOnCreate": "true"}, json=statement.as_json()
        )
        if answer.status_code == 400:
            words = self._words(answer)
            raise RejectedError(words, duplicates=_duplicates(words))
        content = self._json(answer, 200, 201)
        if not (uri := str(content.get("id") or "")).startswith(BASE):
            raise ApiError(f"{self._host} answers {answer.status_code} without an ID.")
        return uri

    def delete(self, uri: str, etag: str) -> bool:
        """Delete an annotation; False if it has changed since the ETag was read.

        Raises:
            RejectedError: it is not ours to delete.
            NotWrittenError, UnknownOutcomeError: as the module says.
        """
        answer = self._write("DELETE", f"/{number_of(uri)}", headers={"If-Match": etag})
        if answer.status_code == 412:
            return False
        if answer.status_code not in (200, 204, *_GONE):
            raise RejectedError(self._words(answer))
        return True

    def read(self, uri: str) -> StandingAnnotation | None:
        """An annotation as it stands; None if it was deleted, or was never there.

        Raises:
            NotWrittenError: the API does not answer now.
        """
        answer = self._ask(f"/{number_of(uri)}", {})
        if answer.status_code in _GONE:
            return None
        content = self._json(answer, 200)
        return StandingAnnotation(content=content, etag=answer.headers.get("ETag", ""))

    def find(self, record_id: str, concept_uri: str) -> list[str]:
        """The URIs of the tags that Europeana's index has of a concept of a record.

        Raises:
            NotWrittenError: the API does not answer now.
        """
        found = self.tags([record_id], concept_uri)
        return [_uri(each) for each in found]

    def tags(self, record_ids: Sequence[str], concept_uri: str) -> list[dict[str, Any]]:
        """The tags that Europeana's index has of a concept of any of these records.

        Raises:
            NotWrittenError: the API does not answer now.
        """
        quoted = [f'"{each}"' for each in record_ids]
        records = quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"
        about = (f'body_uri:"{iri(concept_uri)}"', "motivation:tagging")
        return list(self._search(f"target_record_id:{records}", *about))

    def reported(self) -> list[str]:
        """The URIs of annotations of this client that users reported.

        Raises:
            NotWrittenError: the API does not answer now.
        """
        ours = f'generator_uri:"https://api.europeana.eu/apikey/{self._client}"'
        return [_uri(each) for each in self._search("moderation_score:[* TO -1]", ours)]

    def _search(self, query: str, *refinements: str) -> Iterator[dict[str, Any]]:
        for page in count():
            asked = {"query": query, "qf": refinements, "page": page, "pageSize": PAGE}
            items = self._json(self._ask("/search", asked), 200).get("items") or ()
            yield from items
            if len(items) < PAGE:
                return

    def deleted(self, since: datetime, until: datetime) -> Iterator[str]:
        """The URIs of tags that anyone deleted in a time.

        Raises:
            NotWrittenError: the API does not answer now.
        """
        times = {"from": since.isoformat(), "to": until.isoformat(), "motivation": "tagging"}
        for page in count():
            answer = self._ask("s/deleted", times | {"page": page, "limit": PAGE})
            try:
                found = answer.json()
            except ValueError:
                found = None
            if answer.status_code != 200 or not isinstance(found, list):
                raise ApiError(f"{self._host} gives no list of deleted annotations.")
            yield from map(_uri, found)
            if len(found) < PAGE:
                return

    def _write(self, method: str, path: str, **request: Any) -> requests.Response:
        """A request with a token; one that the API refuses is renewed once."""
        headers = request.pop("headers", {})
        for attempt in (1, 2):
            token = self._tokens.get()
            bearer = {"Authorization": f"Bearer {token}"}
            answer = self._request(method, path, headers=bearer | headers, **request)
            if answer.status_code != 401 or attempt == 2:
                break
            self._tokens.forget(token)
        if (answer.status_code in (401, 403) and method == "POST") or answer.status_code == 401:
            raise KeyRefusedError(
                f"{self._host} does not let the client {self._client} write annotations "
                f"({answer.status_code}: {self._words(answer)}). Ask Europeana to give this "
                "client the right to write annotations."
            )
        return answer

    def _ask(self, path: str, asked: dict[str, Any]) -> requests.Response:
        """A read, by API key."""
        try:
            answer = self._request("GET", path, headers=self._key, params=asked)
        except UnknownOutcomeError as error:
            raise NotWrittenError(str(error)) from error
        if answer.status_code in (401, 403):
            raise KeyRefusedError(
                f"{self._host} refuses the API key ({self._words(answer)}). "
                "Check EUROPEANA_API_KEY."
            )
        return answer

    def _request(self, method: str, path: str, **request: Any) -> requests.Response:
        try:
            answer = self._session.request(
                method, self._url + path, timeout=self._timeout, allow_redirects=False, **request
            )
        except requests.ConnectionError as error:
            words = f"{self._host} does not answer"
            reason = getattr(error.args[0] if error.args else None, "reason", None)
            if isinstance(reason, NewConnectionError) or isinstance(error, requests.ConnectTimeout):
                raise NotWrittenError(f"{words}: no connection.") from error
            raise UnknownOutcomeError(f"{words}: the connection broke.") from error
        except requests.RequestException as error:
            raise UnknownOutcomeError(f"{self._host} does not answer in time.") from error
        if answer.status_code in (423, 429):
            busy = "is locked" if answer.status_code == 423 else "asks for fewer requests"
            raise NotWrittenError(f"{self._host} {busy}.", seconds=_retry_after(answer))
        if answer.status_code >= 500:
            raise UnknownOutcomeError(f"{self._host} answers {answer.status_code}.")
        return answer

    def _json(self, answer: requests.Response, *expected: int) -> dict[str, Any]:
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ApiError(
                f"{self._host} answers {answer.status_code} without a JSON object. "
                "Is EUROPEANA_API_URL the address of the Europeana APIs?"
            )
        if answer.status_code not in expected:
            raise ApiError(f"{self._host} answers {answer.status_code}: {self._words(answer)}.")
        return content

    def _words(self, answer: requests.Response) -> str:
        """The API's own words in a line, without the key."""
        try:
            said = answer.json()
        except ValueError:
            said = None
        given = [said.get(each) for each in ("error", "message")] if isinstance(said, dict) else []
        parts = [" ".join(str(each).split()).rstrip(".") for each in given if each]
        words = "; ".join(dict.fromkeys(parts)) or f"status {answer.status_code}"
        return words.replace(self._key["X-Api-Key"], "***")[:LONGEST_WORDS]


def number_of(uri: str) -> str:
    return uri.rsplit("/", maxsplit=1)[-1]


def _uri(given: object) -> str:
    """The URI of an annotation in an answer, which names it by URI, number, or as a whole."""
    named = given.get("id") if isinstance(given, dict) else given
    return f"{BASE}{number_of(str(named))}"


def _duplicates(words: str) -> tuple[str, ...]:
    """The annotations that a refusal calls duplicates."""
    if "duplicate" not in words.lower():
        return ()
    return tuple(f"{BASE}{number}" for number in _IDS.findall(words))


def _retry_after(answer: requests.Response) -> float | None:
    given = answer.headers.get("Retry-After", "")
    return float(given) if given.isdecimal() and len(given) < 6 else None
