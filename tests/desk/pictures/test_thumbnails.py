"""Thumbnails from the sandbox, over HTTP; among them what no browser should be sent."""

import io

import pytest
from PIL import Image

from common.process.settings.desk import DeskSettings
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox
from desk.pictures import thumbnails as module
from desk.pictures.thumbnails import SIDE, Thumbnails
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
