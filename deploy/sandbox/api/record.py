"""The Record API: everything about one record, in the nested form of the data model (EDM).

As Europeana's server does it: `edmIsShownBy` is a string here and a list in a search; the
provider's aggregation is not always the first; a record that moved is answered with 200 and its
new `about`, one that was deleted with 410 and its change log, an unknown one with 404.
Structure: https://europeana.atlassian.net/wiki/spaces/EF/pages/2385674279 (Record API).
"""

import hashlib
from typing import Any

from aiohttp import web

from deploy.sandbox.addresses import Addresses, landing_page
from deploy.sandbox.api.keys import KEY
from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.catalogue import Catalogue, Item
from deploy.sandbox.hosts.pictures import PictureFacts, Pictures

Json = dict[str, Any]


class RecordApi:
    """Answers look-ups of single records."""

    def __init__(self, catalogue: Catalogue, addresses: Addresses, pictures: Pictures) -> None:
        self._catalogue = catalogue
        self._addresses = addresses
        self._pictures = pictures

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of every `{dataset}/{local}.json`.

        Raises:
            RequestRefusedError: there is no such record, and never was.
        """
        record_id = "/{dataset}/{local}".format_map(request.match_info)
        envelope = {"apikey": request[KEY], "success": True, "requestNumber": 999}
        if record_id in self._catalogue.deleted:
            return web.json_response(envelope | {"object": _tombstone(record_id)}, status=410)
        item = self._catalogue.find(self._catalogue.moved.get(record_id, record_id))
        if item is None:
            raise RequestRefusedError(404, f"Invalid record identifier: {record_id}")
        etag = hashlib.md5(f"{item.id}{item.updated}".encode()).hexdigest()
        if any(known.value == etag for known in request.if_none_match or ()):
            return web.Response(status=304)
        facts = await self._pictures.measure(item)
        response = web.json_response(envelope | {"object": self._record(item, facts)})
        response.etag = etag
        return response

    def _record(self, item: Item, facts: PictureFacts) -> Json:
        record: Json = {
            "about": item.id,
            "type": item.type,
            "title": [text for texts in item.title.values() for text in texts],
            "aggregations": self._aggregations(item, facts),
            "europeanaAggregation": self._europeana_aggregation(item),
            "proxies": _proxies(item),
            "providedCHOs": [{"about": f"/item{item.id}"}],
            "concepts": [
                {"about": concept, "prefLabel": self._catalogue.concept_labels.get(concept, {})}
                for concept in item.concepts
            ],
            "edmDatasetName": [f"{item.id.split('/')[1]}_sandbox"],
            "europeanaCompleteness": 10,
            "timestamp_created": item.timestamp,
            "timestamp_created_epoch": item.updated * 1000,
            "timestamp_update": item.timestamp,
            "timestamp_update_epoch": item.updated * 1000,
        }
        return {name: value for name, value in record.items() if value}

    def _aggregations(self, item: Item, facts: PictureFacts) -> list[Json]:
        media = self._addresses.media_url(item)
        provided: Json = {
            "about": f"/aggregation/provider{item.id}",
            "aggregatedCHO": f"/item{item.id}",
            "edmDataProvider": {"def": [item.data_provider]},
            "edmProvider": {"def": [item.provider]},
            "edmRights": {"def": [item.rights]},
            "edmIsShownAt": landing_page(item),
            "edmObject": media,
            "edmUgc": "false",
            "edmPreviewNoDistribute": False,
            "webResources": [{"about": landing_page(item)}, _web_resource(media, item, facts)],
        }
        provided |= {"edmIsShownBy": media} if item.shown_by else {"hasView": [media]}
        if not _has_enrichments(item):
            return [provided]
        return [{"about": f"/aggregation/aggregator{item.id}"}, provided]

    def _europeana_aggregation(self, item: Item) -> Json:
        return {
            "about": f"/aggregation/europeana{item.id}",
            "aggregatedCHO": f"/item{item.id}",
            "edmLandingPage": f"https://www.europeana.eu/item{item.id}",
            "edmCountry": {"def": [item.country]},
            "edmPreview": self._addresses.preview_url(item),
        }


def _web_resource(media: str, item: Item, facts: PictureFacts) -> Json:
    return {
        "about": media,
        "webResourceEdmRights": {"def": [item.rights]},
        "ebucoreHasMimeType": facts.mime_type,
        "ebucoreFileByteSize": facts.size,
        "ebucoreWidth": facts.width,
        "ebucoreHeight": facts.height,
        "ebucoreOrientation": "landscape" if facts.width >= facts.height else "portrait",
        "edmHasColorSpace": "sRGB",
    }


def _proxies(item: Item) -> list[Json]:
    """Europeana's proxy first, then, for enriched records, a partner's; the provider's last."""
    europeana = _proxy("europeana", item) | {"europeanaProxy": True}
    provider = _proxy("provider", item) | {"dcTitle": item.title}
    if item.description:
        provider["dcDescription"] = item.description
    concepts = {"dcType": {"def": list(item.concepts)}} if item.concepts else {}
    if not _has_enrichments(item):
        return [europeana | concepts, provider]
    return [europeana, _proxy("aggregator", item) | concepts, provider]


def _proxy(kind: str, item: Item) -> Json:
    return {
        "about": f"/proxy/{kind}{item.id}",
        "proxyIn": [f"/aggregation/{kind}{item.id}"],
        "proxyFor": f"/item{item.id}",
        "edmType": item.type,
        "europeanaProxy": False,
    }


def _has_enrichments(item: Item) -> bool:
    """Whether a partner added to the record: every third one, always the same."""
    return item.updated % 3 == 0


def _tombstone(record_id: str) -> Json:
    return {
        "about": record_id,
        "europeanaAggregation": {
            "about": f"/aggregation/europeana{record_id}",
            "changeLog": [{"type": "Delete"}],
        },
    }
