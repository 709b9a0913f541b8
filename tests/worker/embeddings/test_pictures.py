"""Thumbnails for a page come as pictures of ours, whatever the host sends."""

import io
import socket
from datetime import UTC, datetime

import pytest
from PIL import Image
from sqlalchemy import Engine

from common.process.settings import ImageSettings
from tests.common.fetch.servers import Request, encoded, response, serving
from worker.embeddings.alike import SimilarRecord
from worker.embeddings.pictures import SIDE, fetch_pictures


def record(record_id: str, media_url: str | None) -> SimilarRecord:
    return SimilarRecord(
        record_id=record_id,
        similarity=0.9,
        source="media",
        url="http://museum.example/a.jpg",
        seen_at=datetime(2026, 11, 25, tzinfo=UTC),
        title=None,
        data_provider=None,
        media_url=media_url,
        preview_url=None,
    )


def test_what_can_be_had_is_a_jpeg_and_the_rest_is_left_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(request: Request, connection: socket.socket) -> None:
        asked.append(request.target)
        sound = len(asked) == 1
        picture = encoded(Image.new("RGB", (400, 200), "red"), "PNG")
        connection.sendall(response(picture if sound else b"\xff\xd8\xff nonsense"))

    with serving(answer) as server:
        monkeypatch.setenv("EUROPEANA_API_URL", server.url(""))
        monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
        records = [record("/1/a", "http://m.example/a"), record("/1/none", None)]
        found = fetch_pictures(engine, ImageSettings.read(), records)
        assert fetch_pictures(engine, ImageSettings.read(), records[:1]) == {}
    assert found.keys() == {"/1/a"}
    assert all("/thumbnail/v3/400/" in each for each in asked)
    with Image.open(io.BytesIO(found["/1/a"])) as image:
        assert (image.format, image.size) == ("JPEG", (SIDE, SIDE // 2))
