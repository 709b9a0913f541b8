"""Europeana's Entity API: whether a concept is still there, or what it has become.

https://europeana.atlassian.net/wiki/spaces/EF/pages/2324561923 (Entity API)
"""

import re

from common.errors import ApiError
from common.europeana.concept_uris import current_concept_uri
from common.europeana.transport import ApiResponse, ApiTransport

_OWN = re.compile(r"http://data\.europeana\.eu(/concept/\d+)")
_LOCATION = re.compile(r"/concept/(?:base/)?(\d+)(?:\.[a-z]+)*(?:$|[?#])")
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (404, 410)
_MERGERS = 5  # in a row, at most


class EntityApi(ApiTransport):
    """The Entity API; every call raises what `ApiTransport.get` raises."""

    def present_concept(self, uri: str) -> str | None:
        """Europeana's URI of a concept today; None: Europeana has no such concept.

        A merged concept of Europeana's own becomes the one that remains. A concept of another
        vocabulary becomes Europeana's concept for the same thing.

        Raises:
            ApiError: the response has another form than we know.
        """
        current = current_concept_uri(uri)
        for _ in range(_MERGERS):
            following = self._redirected(current)
            if following in (None, current):
                return following
            current = str(following)
        raise ApiError(f"The Entity API redirects {uri} more than {_MERGERS} times.")

    def _redirected(self, uri: str) -> str | None:
        """The concept's URI by the API's response; the same URI if it is current."""
        also = (*_REDIRECTS, *_GONE)
        if own := _OWN.fullmatch(uri):
            response = self.get(f"/entity{own[1]}.json", also=also)
        else:
            response = self.get("/entity/resolve", [("uri", uri)], also=also)
        return None if response.status in _GONE else _named(response)


def _named(response: ApiResponse) -> str:
    if response.status in _REDIRECTS:
        if found := _LOCATION.search(response.location):
            return f"http://data.europeana.eu/concept/{found[1]}"
    elif isinstance(identity := response.body.get("id"), str):
        return current_concept_uri(identity)
    raise ApiError("The Entity API answers in a form we do not know: no concept is named.")
