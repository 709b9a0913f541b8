"""Thumbnails from the sandbox, over HTTP; among them what no browser should be sent."""

import io

import pytest
from PIL import Image

from common.pictures.sources import thumbnail_url
from common.process.settings.desk import DeskSettings
from common.store.tables import PictureChoice
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox
from desk.pictures import thumbnails as module
from desk.pictures.thumbnails import SIDE, ShownPicture, Thumbnails
from tests.desk.museum import Museum


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(draw_collection(items=60)) as sandbox:
        yield sandbox


@pytest.fixture
def thumbnails(museum: Museum, sandbox: Sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("EUROPEANA_API_URL", sandbox.url)
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
    monkeypatch.setenv("DESK_CACHE_DIR", str(tmp_path))
    found = Thumbnails(museum.engine, DeskSettings.read())
    yield found
    found.close()


def add(museum, sandbox, record_id, media_url=None):
    item = sandbox.catalogue.items[3]
    museum.execute(
        "INSERT INTO record (id, media_url) VALUES (:id, :url)",
        id=record_id,
        url=media_url or sandbox.addresses.media_url(item),
    )


def test_a_thumbnail_is_small_and_asked_for_once(museum, sandbox, thumbnails):
    add(museum, sandbox, "/1/a")
    found = thumbnails.of_record("/1/a")
    with Image.open(io.BytesIO(found.content)) as image:
        assert max(image.size) <= SIDE
    assert found.media_type == "image/jpeg"
    assert thumbnails.of_record("/1/a") == found


def test_a_failure_is_remembered_for_a_while(museum, sandbox, thumbnails, monkeypatch):
    add(museum, sandbox, "/1/gone", "http://127.0.1.1:1/nothing.jpg")
    fetched = []
    monkeypatch.setattr(thumbnails._fetcher, "fetch", _counting(thumbnails._fetcher.fetch, fetched))
    assert thumbnails.of_record("/1/gone") is None
    assert thumbnails.of_record("/1/gone") is None
    assert len(fetched) == 1
    monkeypatch.setattr(module, "FORGOTTEN_AFTER", 0.0)
    assert thumbnails.of_record("/1/gone") is None
    assert len(fetched) == 2


def _counting(fetch, fetched):
    def counted(url):
        fetched.append(url)
        return fetch(url)

    return counted


def test_what_the_store_does_not_know_has_none(thumbnails):
    assert thumbnails.of_record("/1/none") is None


def test_a_damaged_file_in_the_folder_is_no_picture(museum, sandbox, thumbnails, tmp_path):
    add(museum, sandbox, "/1/a")
    found = thumbnails.of_record("/1/a")
    (path,) = (each for each in tmp_path.rglob("*") if each.is_file())
    path.write_bytes(b"text/html\n<script>alert(1)</script>")
    assert thumbnails.of_record("/1/a") == found


def test_who_asks_again_is_not_told_of_a_remembered_failure(
    museum, sandbox, thumbnails, monkeypatch
):
    add(museum, sandbox, "/1/gone", "http://127.0.1.1:1/nothing.jpg")
    assert thumbnails.of_record("/1/gone") is None
    monkeypatch.setattr(thumbnails, "_fetched", lambda url, side: found)
    found = ShownPicture(content=b"x", media_type="image/jpeg")
    assert thumbnails.of_record("/1/gone") is None
    assert thumbnails.of_record("/1/gone", is_again=True) == found


def test_the_providers_file_is_larger_and_kept_beside_the_thumbnail(
    museum, sandbox, thumbnails, pictures
):
    item = sandbox.catalogue.items[3]
    add(museum, sandbox, "/1/a", f"{pictures.url}/large.jpg")
    museum.execute(
        "UPDATE record SET preview_url = :preview",
        preview=thumbnail_url(sandbox.addresses.media_url(item), api_url=sandbox.url),
    )
    small = thumbnails.of_record("/1/a")
    large, smaller = (
        thumbnails.of_record("/1/a", picture=PictureChoice.AUTO, side=side)
        for side in (3_000, 1_000)
    )
    found = [max(Image.open(io.BytesIO(each.content)).size) for each in (small, large, smaller)]
    assert found == [SIDE, 1_600, 1_000]
    assert thumbnails.of_record("/1/a") == small


def test_a_thumbnail_stands_in_for_a_file_that_is_gone(museum, sandbox, thumbnails):
    item = sandbox.catalogue.items[3]
    add(museum, sandbox, "/1/a")
    museum.execute(
        "UPDATE record SET media_url = 'http://127.0.1.1:1/nothing.jpg', preview_url = :preview",
        preview=thumbnail_url(sandbox.addresses.media_url(item), api_url=sandbox.url),
    )
    large = thumbnails.of_record("/1/a", picture=PictureChoice.AUTO, side=3_000)
    assert large == thumbnails.of_record("/1/a")
