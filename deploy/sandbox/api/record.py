"""The Record API: one record, in the nested form of the data model (EDM).

Like Europeana's server: `edmIsShownBy` is a string here and a list in a search. The provider's
aggregation is not always the first. The answer for a moved record is 200 with its new `about`, for
a deleted one 410, for an unknown one 404. Structure:
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385674279 (Record API).
"""

from typing import Any

from aiohttp import web

from deploy.sandbox.addresses import Addresses
from deploy.sandbox.api.keys import KEY
from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.catalogue import Catalogue, Item

Json = dict[str, Any]


class RecordApi:
    def __init__(self, catalogue: Catalogue, addresses: Addresses) -> None:
        self._catalogue = catalogue
        self._addresses = addresses

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of every `{dataset}/{local}.json`.

        Raises:
            RequestRefusedError: there never was such a record.
        """
        record_id = "/{dataset}/{local}".format_map(request.match_info)
        envelope = {"apikey": request[KEY], "success": True, "requestNumber": 999}
        if record_id in self._catalogue.deleted:
            return web.json_response(envelope | {"object": {"about": record_id}}, status=410)
        item = self._catalogue.find(self._catalogue.moved.get(record_id, record_id))
        if item is None:
            raise RequestRefusedError(404, f"Invalid record identifier: {record_id}")
        return web.json_response(envelope | {"object": self._record(item)})

    def _record(self, item: Item) -> Json:
        return {
            "about": item.id,
            "type": item.type,
            "title": [text for texts in item.title.values() for text in texts],
            "aggregations": self._aggregations(item),
            "europeanaAggregation": {
                "about": f"/aggregation/europeana{item.id}",
                "edmPreview": self._addresses.preview_url(item),
            },
            "concepts": [{"about": concept} for concept in item.concepts],
        }

    def _aggregations(self, item: Item) -> list[Json]:
        media = self._addresses.media_url(item)
        provided: Json = {
            "about": f"/aggregation/provider{item.id}",
            "edmDataProvider": {"def": [item.data_provider]},
            "edmRights": {"def": [item.rights]},
            "edmObject": media,
        }
        provided |= {"edmIsShownBy": media} if item.shown_by else {"hasView": [media]}
        if item.updated % 3:
            return [provided]
        # A partner made a contribution to every third record.
        return [{"about": f"/aggregation/aggregator{item.id}"}, provided]
