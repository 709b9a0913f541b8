"""The Thumbnail API, versions 2 and 3. No key is asked for; thumbnails outlive dead links.

Version 3 answers 404 where there is no thumbnail, version 2 answers 200 with a grey placeholder.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2480209953
"""

import hashlib
import io
import re
from collections.abc import Sequence
from functools import cache, cached_property

from aiohttp import web
from PIL import Image

from deploy.sandbox.addresses import Addresses
from deploy.sandbox.catalogue import Catalogue, Item
from deploy.sandbox.faults import Fault
from deploy.sandbox.hosts.misbehaviour import Misbehaviour
from deploy.sandbox.hosts.pictures import Pictures

NAME = re.compile(r"([a-fA-F0-9]{8,128})(\.(jpg|jpeg|png|webp))?")
WIDTHS = {"200": 200, "400": 400}
WIDTHS_OF_VERSION_2 = {"w200": 200, "w400": 400}


class ThumbnailApi:
    """Serves thumbnails by the MD5 of the media URL, or by the URL itself."""

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

    async def answer_v3(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/thumbnail/v3/{width}/{hash}`."""
        width = WIDTHS.get(request.match_info["width"])
        name = NAME.fullmatch(request.match_info["name"])
        if width is None or name is None:
            return web.json_response({"status": 400, "error": "Bad Request"}, status=400)
        item = self._items.get(bytes.fromhex(name[1])) if len(name[1]) == 32 else None
        if item is None or not item.thumbnail:
            return web.json_response({"status": 404, "error": "Not Found"}, status=404)
        return await self._send(request, item, width)

    async def answer_v2(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/thumbnail/v2/url.json`."""
        uri = request.query.get("uri", "")
        width = WIDTHS_OF_VERSION_2.get(request.query.get("size", "w400"), 400)
        item = self._items.get(hashlib.md5(uri.encode()).digest())
        if not uri:
            return web.json_response({"status": 400, "error": "Bad Request"}, status=400)
        if item is None or not item.thumbnail:
            return web.Response(body=_placeholder(), content_type="image/png")
        return await self._send(request, item, width)

    async def _send(self, request: web.Request, item: Item, width: int) -> web.StreamResponse:
        async def respond() -> web.Response:
            body = await self._pictures.thumbnail(item, width)
            return web.Response(body=body, content_type="image/jpeg")

        return await self._misbehaviour.answer(
            request, respond, faults=self._faults, name=f"thumbnail {width} {item.id}"
        )

    @cached_property
    def _items(self) -> dict[bytes, Item]:
        return {
            bytes.fromhex(self._addresses.thumbnail_hash(item)): item
            for item in self._catalogue.items
        }


@cache
def _placeholder() -> bytes:
    png = io.BytesIO()
    Image.new("RGB", (400, 400), (204, 204, 204)).save(png, "PNG")
    return png.getvalue()
