"""The Entity API: the concepts of the catalogue, what became of others, and who they are elsewhere.

As Europeana's servers do it: labels are single texts here (lists in a record), an entity that was
merged redirects to the one that survived, `/entity/resolve` redirects from the URI of another
vocabulary to Europeana's own, and paths from before 2022 with `/base/` still answer.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2324561923 (Entity API)
"""

from collections import Counter
from functools import cached_property

from aiohttp import web

from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.catalogue import Catalogue

CONCEPT = "http://data.europeana.eu/concept/"
CONTEXT = "http://www.europeana.eu/schemas/context/entity.jsonld"


class SandboxEntityApi:
    """Answers look-ups of concepts."""

    def __init__(self, catalogue: Catalogue, api_url: str) -> None:
        self._catalogue = catalogue
        self._api_url = api_url

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of every `/entity/concept/{number}`.

        Raises:
            RequestRefusedError: there is no such concept.
        """
        number, form = request.match_info["number"], request.match_info["form"]
        uri = f"{CONCEPT}{number}"
        if survivor := self._catalogue.merged_concepts.get(uri):
            return _moved(f"{self._api_url}/entity/concept/{survivor.removeprefix(CONCEPT)}{form}")
        if uri not in self._records:
            raise RequestRefusedError(404, "Not Found", message=f"No entity found for ID: {uri}")
        matches = [other for other, own in self._catalogue.exact_matches.items() if own == uri]
        labels = self._catalogue.concept_labels.get(uri, {})
        entity = {
            "@context": CONTEXT,
            "id": uri,
            "type": "Concept",
            "prefLabel": {language: texts[0] for language, texts in labels.items()},
            "exactMatch": matches,
            "isAggregatedBy": {"recordCount": self._records[uri]},
        }
        return web.json_response({name: value for name, value in entity.items() if value})

    async def resolve(self, request: web.Request) -> web.Response:
        """The handler of `/entity/resolve?uri=`.

        Raises:
            RequestRefusedError: no concept is the same as that of the URI.
        """
        uri = request.query.get("uri", "")
        if own := self._catalogue.exact_matches.get(uri):
            return _moved(own)
        raise RequestRefusedError(404, f"No entity found for sameAs/exactMatch URI : {uri}")

    @cached_property
    def _records(self) -> Counter[str]:
        """How many records each of Europeana's own concepts has."""
        return Counter(
            concept
            for item in self._catalogue.items
            for concept in item.concepts
            if concept.startswith(CONCEPT)
        )


def _moved(location: str) -> web.Response:
    return web.Response(status=301, headers={"Location": location})
