"""Europeana's Entity API: whether a concept is still there, or what it has become.

https://europeana.atlassian.net/wiki/spaces/EF/pages/2324561923 (Entity API)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import ApiError
from common.europeana.concept_uris import current_concept_uri, is_concept_uri
from common.europeana.transport import ApiResponse, ApiTransport

_OWN = re.compile(r"http://data\.europeana\.eu(/concept/\d+)")
_LOCATION = re.compile(r"/concept/(?:base/)?(\d+)(?:\.[a-z]+)*(?:$|[?#])")
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)
_MERGERS = 5  # in a row, at most


@dataclass(frozen=True)
class PresentConcept:
    """A concept of Europeana, and the URIs that it calls the same."""

    uri: str
    exact_matches: tuple[str, ...] = ()


class EntityApi(ApiTransport):
    """The Entity API; every call raises what `ApiTransport.get` raises."""

    def present_concept(self, uri: str) -> PresentConcept | None:
        """Europeana's concept of today for a URI; None: Europeana has no such concept.

        A merged concept of Europeana's own becomes the one that remains. A concept of another
        vocabulary becomes Europeana's concept for the same thing.

        Raises:
            ApiError: the response has another form than we know.
        """
        current = current_concept_uri(uri)
        for _ in range(_MERGERS):
            response = self._about(current)
            if response.status in _GONE:
                return None
            following = _named(response)
            if following == current:
                return PresentConcept(current, _exact_matches(response.body))
            current = following
        raise ApiError(f"The Entity API redirects {uri} more than {_MERGERS} times.")

    def _about(self, uri: str) -> ApiResponse:
        also = (*_REDIRECTS, *_GONE)
        if own := _OWN.fullmatch(uri):
            return self.get(f"/entity{own[1]}.json", also=also)
        return self.get("/entity/resolve", [("uri", uri)], also=also)


def _exact_matches(body: Mapping[str, Any]) -> tuple[str, ...]:
    given = body.get("exactMatch") or ()
    uris = [given] if isinstance(given, str) else given
    named = (uri for uri in uris if isinstance(uri, str) and is_concept_uri(uri))
    return tuple(dict.fromkeys(map(current_concept_uri, named)))


def _named(response: ApiResponse) -> str:
    if response.status in _REDIRECTS:
        if found := _LOCATION.search(response.location):
            return f"http://data.europeana.eu/concept/{found[1]}"
    elif isinstance(identity := response.body.get("id"), str):
        return current_concept_uri(identity)
    raise ApiError("The answer of the Entity API has an unknown form: it has no concept.")
