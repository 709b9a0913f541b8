"""The Thumbnail API over HTTP: sizes, names, and what is sent where there is none."""

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


def v3(sandbox: Sandbox, item: Item, width: int, suffix: str = "") -> requests.Response:
    name = hashlib.md5(sandbox.addresses.media_url(item).encode()).hexdigest()
    return requests.get(f"{sandbox.url}/thumbnail/v3/{width}/{name}{suffix}", timeout=10)


def v2(sandbox: Sandbox, item: Item, **parameters: str) -> requests.Response:
    parameters = {"uri": sandbox.addresses.media_url(item), **parameters}
    return requests.get(f"{sandbox.url}/thumbnail/v2/url.json", params=parameters, timeout=10)


def width_of(response: requests.Response) -> int:
    assert response.status_code == 200
    return Image.open(io.BytesIO(response.content)).width


@pytest.mark.parametrize("suffix", ["", ".jpg"])
def test_version_3_is_named_by_the_md5_of_the_media_url(sandbox: Sandbox, suffix: str) -> None:
    wide = next(
        item
        for item in sandbox.catalogue.items
        if Image.open(io.BytesIO(sandbox.catalogue.read(item.picture))).width >= 400
    )
    assert width_of(v3(sandbox, wide, 200, suffix)) == 200
    assert width_of(v3(sandbox, wide, 400, suffix)) == 400


def test_version_3_says_when_there_is_none(sandbox: Sandbox, without: Item) -> None:
    assert v3(sandbox, without, 400).status_code == 404
    unknown = f"{sandbox.url}/thumbnail/v3/400/{'0' * 32}"
    assert requests.get(unknown, timeout=10).status_code == 404


@pytest.mark.parametrize("name", ["300/" + "0" * 32, "400/not-a-hash", "400/" + "0" * 32 + ".gif"])
def test_version_3_refuses_other_sizes_and_names(sandbox: Sandbox, name: str) -> None:
    assert requests.get(f"{sandbox.url}/thumbnail/v3/{name}", timeout=10).status_code == 400


def test_version_2_hides_that_there_is_none_behind_a_grey_picture(
    sandbox: Sandbox, without: Item
) -> None:
    response = v2(sandbox, without)
    assert response.headers["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.getcolors() == [(image.width * image.height, (204, 204, 204))]


def test_version_2_is_what_a_search_points_to(sandbox: Sandbox) -> None:
    item = sandbox.catalogue.items[0]
    preview = requests.get(sandbox.addresses.preview_url(item), timeout=10)
    assert preview.headers["Content-Type"] == "image/jpeg"
    assert width_of(v2(sandbox, item, size="w200")) == 200


def test_a_thumbnail_outlives_a_dead_link(sandbox: Sandbox) -> None:
    dead = sandbox.catalogue.items[68]
    assert requests.get(sandbox.addresses.media_url(dead), timeout=10).status_code == 404
    assert v3(sandbox, dead, 400).status_code == 200
