"""The Thumbnail API over HTTP: names, and what is sent where there is none."""

import hashlib
import io

import pytest
import requests
from PIL import Image

from deploy.sandbox.catalogue import Item
from deploy.sandbox.server import Sandbox


@pytest.fixture(scope="module")
def without(sandbox: Sandbox) -> Item:
    return next(item for item in sandbox.catalogue.items if not item.thumbnail)


def v3(sandbox: Sandbox, item: Item) -> requests.Response:
    name = hashlib.md5(sandbox.addresses.media_url(item).encode()).hexdigest()
    return requests.get(f"{sandbox.url}/thumbnail/v3/400/{name}", timeout=10)


def width_of(response: requests.Response) -> int:
    assert response.status_code == 200
    return Image.open(io.BytesIO(response.content)).width


def test_a_thumbnail_is_named_by_the_md5_of_the_media_url(sandbox: Sandbox) -> None:
    wide = next(
        item
        for item in sandbox.catalogue.items
        if Image.open(io.BytesIO(sandbox.catalogue.read(item.picture))).width >= 400
    )
    assert width_of(v3(sandbox, wide)) == 400


def test_it_is_said_where_there_is_none(sandbox: Sandbox, without: Item) -> None:
    assert v3(sandbox, without).status_code == 404
    unknown = f"{sandbox.url}/thumbnail/v3/400/{'0' * 32}"
    assert requests.get(unknown, timeout=10).status_code == 404


def test_a_thumbnail_outlives_a_dead_link(sandbox: Sandbox) -> None:
    dead = sandbox.catalogue.items[68]
    assert requests.get(sandbox.addresses.media_url(dead), timeout=10).status_code == 404
    assert v3(sandbox, dead).status_code == 200
