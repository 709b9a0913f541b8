"""The addresses: the API is on 127.0.0.1, each image host has its own address.

Providers' host names are distributed over the addresses 127.0.1.1 to 127.0.1.N in alphabetical
order, so that a catalogue always gets the same ones.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from deploy.sandbox.catalogue import Item

API_ADDRESS = "127.0.0.1"


def image_addresses(count: int) -> list[str]:
    """The addresses of `count` image hosts, at most 250."""
    return [f"127.0.1.{number}" for number in range(1, count + 1)]


@dataclass(frozen=True)
class Addresses:
    """The addresses of one sandbox; `hosts` are the providers' host names."""

    hosts: Sequence[str]
    image_hosts: Sequence[str]
    port: int

    @property
    def api_url(self) -> str:
        """The base of the APIs, without a slash at the end."""
        return f"http://{API_ADDRESS}:{self.port}"

    @cached_property
    def of_host(self) -> dict[str, str]:
        """The address that stands for each provider's host name."""
        return {
            host: self.image_hosts[index % len(self.image_hosts)]
            for index, host in enumerate(sorted(self.hosts))
        }

    def media_url(self, item: Item) -> str:
        """The URL of the provider's file."""
        return f"http://{self.of_host[item.host]}:{self.port}/media{item.id}.jpg"

    def preview_url(self, item: Item) -> str:
        """The thumbnail's URL in Europeana's form of version 2."""
        media = quote(self.media_url(item), safe="")
        return f"{self.api_url}/thumbnail/v2/url.json?uri={media}&type={item.type}"

    def thumbnail_hash(self, item: Item) -> str:
        return hashlib.md5(self.media_url(item).encode()).hexdigest()
