"""The Thumbnail API, version 3, at 400 pixels. It needs no key; thumbnails outlive dead links.

https://europeana.atlassian.net/wiki/spaces/EF/pages/2480209953
"""

from collections.abc import Sequence
from functools import cached_property

from aiohttp import web

from deploy.sandbox.addresses import Addresses
from deploy.sandbox.catalogue import Catalogue, Item
from deploy.sandbox.faults import Fault
from deploy.sandbox.hosts.misbehaviour import Misbehaviour
from deploy.sandbox.hosts.pictures import Pictures

WIDTH = 400


class ThumbnailApi:
    """Serves thumbnails by the MD5 of the media URL."""

    def __init__(
        self,
        catalogue: Catalogue,
        addresses: Addresses,
        pictures: Pictures,
        *,
        misbehaviour: Misbehaviour,
        faults: Sequence[Fault],
    ) -> None:
        self._catalogue = catalogue
        self._addresses = addresses
        self._pictures = pictures
        self._misbehaviour = misbehaviour
        self._faults = faults

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/thumbnail/v3/400/{hash}`."""
        item = self._items.get(request.match_info["name"])
        if item is None or not item.thumbnail:
            return web.json_response({"status": 404, "error": "Not Found"}, status=404)

        async def respond() -> web.Response:
            body = await self._pictures.thumbnail(item, WIDTH)
            return web.Response(body=body, content_type="image/jpeg")

        return await self._misbehaviour.answer(
            request, respond, faults=self._faults, name=f"thumbnail {WIDTH} {item.id}"
        )

    @cached_property
    def _items(self) -> dict[str, Item]:
        return {self._addresses.thumbnail_hash(item): item for item in self._catalogue.items}
