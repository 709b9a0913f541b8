"""The Entity API: the concepts of the catalogue, and redirects for old concepts.

Like Europeana's servers, a merged entity redirects to the one that remains, and `/entity/resolve`
redirects from the URI of another vocabulary to Europeana's own.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2324561923 (Entity API)
"""

from functools import cached_property

from aiohttp import web

from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.catalogue import Catalogue

CONCEPT = "http://data.europeana.eu/concept/"


class SandboxEntityApi:
    def __init__(self, catalogue: Catalogue, api_url: str) -> None:
        self._catalogue = catalogue
        self._api_url = api_url

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of every `/entity/concept/{number}`.

        Raises:
            RequestRefusedError: there is no such concept.
        """
        uri = f"{CONCEPT}{request.match_info['number']}"
        if survivor := self._catalogue.merged_concepts.get(uri):
            return _moved(f"{self._api_url}/entity/concept/{survivor.removeprefix(CONCEPT)}.json")
        if uri not in self._concepts:
            raise RequestRefusedError(404, "Not Found", message=f"No entity found for ID: {uri}")
        same = [other for other, own in self._catalogue.exact_matches.items() if own == uri]
        return web.json_response({"id": uri, "type": "Concept", "exactMatch": same})

    async def resolve(self, request: web.Request) -> web.Response:
        """The handler of `/entity/resolve?uri=`.

        Raises:
            RequestRefusedError: no concept is the same as the one with this URI.
        """
        uri = request.query.get("uri", "")
        if own := self._catalogue.exact_matches.get(uri):
            return _moved(own)
        raise RequestRefusedError(404, f"No entity found for sameAs/exactMatch URI : {uri}")

    @cached_property
    def _concepts(self) -> frozenset[str]:
        return frozenset(concept for item in self._catalogue.items for concept in item.concepts)


def _moved(location: str) -> web.Response:
    return web.Response(status=301, headers={"Location": location})
