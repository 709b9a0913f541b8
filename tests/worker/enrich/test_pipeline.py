"""A chunk's way from record IDs to outcomes, with pictures over HTTP and a small model."""

import io
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import Engine, text

from common.europeana.api import EuropeanaApi
from common.fetch.host_limits import HostLimits, LocalHostLimiter
from common.pictures.decoders import Decoders
from common.process.cores import Cores
from common.process.settings import ApiSettings, ImageSettings
from common.store.tables import PictureChoice
from common.vision.runtimes import TorchRuntime
from tests.common.fetch.servers import Request, answering, encoded, response, serving
from tests.common.vision.models import MAP, model_of
from tests.worker.ledger_rows import predictions
from worker.enrich import looking
from worker.enrich.looking import Looker, MeteredFetcher
from worker.enrich.model_pool import LoadedModel, LoadedNetwork, ModelsInUse
from worker.enrich.pipeline import Pipeline
from worker.enrich.resolve import RecordResolver
from worker.enrich.seen import SeenPictures
from worker.ledger.chunks import Lease
from worker.ledger.routes import Routes

LEASE = Lease(
    job_id=UUID(int=0),
    number=1,
    token=1,
    retries=0,
    routes=Routes(model_id=1),
    picture=PictureChoice.MEDIA,
    record_ids=("/1/a", "/1/b", "/1/c"),
    claimed_at=datetime(2026, 11, 25, tzinfo=UTC),
)
PATIENCE = 120.0  # seconds


def picture() -> bytes:
    content = io.BytesIO()
    Image.frombytes("RGB", (64, 64), random.Random(1).randbytes(3 * 64 * 64)).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def models(tmp_path: Path) -> Iterator[ModelsInUse]:
    model = model_of("squeezenet1_1", tmp_path / "model")
    loaded = LoadedModel(
        id=1,
        title="test v1",
        folder=tmp_path / "model",
        sha256=model.sha256,
        answering=model.answering,
        encoder=None,
    )
    network = LoadedNetwork(TorchRuntime(model.served), batch_size=4, models={1: model})
    yield ModelsInUse([loaded], lambda: network)
    network.batcher.stop()


@pytest.fixture
def pipeline(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
    settings = ImageSettings.read()
    limits = HostLimits(max_concurrent=8, requests_per_second=1000.0)
    with (
        MeteredFetcher.from_settings(settings) as fetcher,
        EuropeanaApi(ApiSettings(europeana_api_key="unused")) as api,
        Decoders(1) as decoders,
    ):
        resolver = RecordResolver(engine, api, api_url=settings.europeana_api_url)
        seen = SeenPictures(engine)
        looker = Looker(fetcher, LocalHostLimiter(limits), decoders, seen, connections=4)
        yield Pipeline(resolver, seen, looker)


@pytest.fixture
def museum(engine: Engine) -> Iterator[None]:
    """Two pictures, and a page in place of the third."""

    def answer(request: Request, connection: socket.socket) -> None:
        page = b"<!DOCTYPE html><html></html>"
        connection.sendall(response(page if request.target.endswith("c") else picture()))

    with serving(answer) as server:
        urls = [{"id": each, "url": server.url(each)} for each in LEASE.record_ids]
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO record (id, media_url) VALUES (:id, :url)"), urls)
        yield


@pytest.mark.usefixtures("museum")
def test_every_record_is_classified_or_has_its_error(
    pipeline: Pipeline, models: ModelsInUse
) -> None:
    calls: list[None] = []
    outcome = pipeline.run(LEASE, models, on_record=lambda: calls.append(None))
    assert {key: each.record_id for key, each in outcome.predicted.items()} == {
        "/1/a": "/1/a",
        "/1/b": "/1/b",
    }
    assert {key: error.reason for key, error in outcome.errors.items()} == {
        "/1/c": "not_an_image_html"
    }
    assert {each.key for each in predictions(outcome)} == {("/1/a", MAP), ("/1/b", MAP)}
    assert outcome.pictures == {}
    assert len(calls) == 6  # the network is there, three fetched, two classified


@pytest.mark.usefixtures("museum")
def test_pixels_are_kept_for_heatmaps_alone(pipeline: Pipeline, models: ModelsInUse) -> None:
    outcome = pipeline.run(replace(LEASE, explain=True), models, on_record=lambda: None)
    assert outcome.pictures.keys() == {each.image_url for each in predictions(outcome)}


@pytest.mark.usefixtures("museum")
def test_an_error_of_the_callback_ends_the_run(pipeline: Pipeline, models: ModelsInUse) -> None:
    def drop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        pipeline.run(LEASE, models, on_record=drop)


class _BusyDecoder:
    """The place at the large decoder, which somebody has until it is over."""

    def __init__(self) -> None:
        self.asked, self.over = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        self.asked.set()
        assert self.over.wait(PATIENCE)

    def __exit__(self, *exception: object) -> None:
        """Nothing to give back."""


@pytest.fixture
def large(engine: Engine) -> Iterator[None]:
    """A record with a picture for the large decoder."""
    content = encoded(Image.new("1", (6_000, 5_000)), "PNG")
    with serving(answering(response(content))) as server:
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO record (id, media_url) VALUES ('/1/a', :url)"),
                {"url": server.url("/a")},
            )
        yield


@pytest.mark.usefixtures("large")
def test_a_picture_that_waits_for_the_large_decoder_takes_no_core(
    pipeline: Pipeline, models: ModelsInUse, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, busy = Cores(1), _BusyDecoder()
    monkeypatch.setattr(looking, "cores", shared)
    monkeypatch.setattr(pipeline._looker._decoders, "_large_is_free", busy)
    lease = replace(LEASE, record_ids=("/1/a",))
    with ThreadPoolExecutor(2) as threads:
        outcome = threads.submit(pipeline.run, lease, models, on_record=lambda: None)
        try:
            assert busy.asked.wait(PATIENCE)
            threads.submit(take_turn, shared).result(timeout=10)
            assert not outcome.done()
        finally:
            busy.over.set()
        assert outcome.result(PATIENCE).predicted.keys() == {"/1/a"}


def take_turn(shared: Cores) -> None:
    with shared.turn():
        pass
