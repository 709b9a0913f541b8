"""The providers' image servers: one handler for all, on many addresses."""

from collections.abc import Mapping, Sequence
from mimetypes import guess_type

from aiohttp import web

from common.errors import UsageError
from deploy.sandbox.addresses import Addresses
from deploy.sandbox.catalogue import Catalogue, Item
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.hosts.misbehaviour import Misbehaviour
from deploy.sandbox.hosts.pictures import Pictures
from deploy.sandbox.request_log import local_address


class ImageHosts:
    """Serves `/media/{dataset}/{local}.jpg` on the address of the item's host, and only there."""

    def __init__(
        self,
        catalogue: Catalogue,
        addresses: Addresses,
        pictures: Pictures,
        *,
        misbehaviour: Misbehaviour,
        faults: Faults,
    ) -> None:
        self._catalogue = catalogue
        self._addresses = addresses
        self._pictures = pictures
        self._misbehaviour = misbehaviour
        self._of_items: Mapping[str, Sequence[Fault]] = faults.items
        self._of_hosts: Mapping[str, Sequence[Fault]] = faults.hosts

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/media/{dataset}/{local}.jpg`."""
        item = self._catalogue.find("/{dataset}/{local}".format_map(request.match_info))
        address = local_address(request)
        if item is None or self._addresses.of_host[item.host] != address:
            return web.Response(status=404, text="Not found.")
        faults = self._faults_of(item, address)

        async def respond() -> web.Response:
            body = await self._pictures.read(item)
            kind, _ = guess_type(item.picture)  # a drawn one has no suffix
            return web.Response(body=body, content_type=kind or "image/jpeg")

        return await self._misbehaviour.answer(
            request,
            respond,
            file=self._pictures.file(item),
            faults=faults,
            name=request.path,
        )

    def _faults_of(self, item: Item, address: str) -> Sequence[Fault]:
        broken = self._catalogue.broken.get(item.id)
        return [
            *self._of_items.get(item.id, ()),
            *([broken] if broken else ()),
            *self._of_hosts.get(item.host, ()),
            *self._of_hosts.get(address, ()),
            *self._of_hosts.get("*", ()),
        ]


def check_faults(faults: Faults, catalogue: Catalogue, image_hosts: Sequence[str]) -> None:
    """Refuses faults of hosts and items that do not exist.

    Raises:
        UsageError: names the host or the item.
    """
    known = {"*", *catalogue.hosts, *image_hosts}
    if unknown := faults.hosts.keys() - known:
        raise UsageError(
            f"There is no image host {min(unknown)}; there are {', '.join(sorted(known))}."
        )
    for record_id in faults.items:
        if catalogue.find(record_id) is None:
            raise UsageError(f"There is no item {record_id} to break.")
