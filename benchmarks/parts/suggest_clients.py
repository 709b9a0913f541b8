"""Clients that ask the desk for suggestions, as Annif does, and what fetching alone takes them.

The encoder has random weights, since only its cost matters. Its pictures come from hosts that
answer after LATENCY.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import requests
import torch
from sqlalchemy import Engine

from benchmarks.parts.desk_service import DeskService, desk_service
from benchmarks.parts.drawn_models import CONCEPTS, drawn_description
from benchmarks.parts.drawn_records import add_seen_records
from benchmarks.parts.picture_files import draw_pictures
from benchmarks.parts.picture_server import PictureServer, ServerOptions, picture_server
from benchmarks.parts.report import Bar, at_most
from common.fetch.addresses import AddressPolicy
from common.fetch.client import PictureFetcher
from common.store.bulk import copy_rows
from common.store.tables import Role
from common.vision.answers.heads import halved
from common.vision.encoders.networks import build_network
from common.vision.preprocessing import Preprocessing
from desk.access.tokens import add_token
from trainer.models.encoders import EncoderSource, add_encoder
from trainer.models.registry import put_in_service

SUGGESTING = 10  # clients, one request a second each
RECORDS = 1_000  # whose pictures the encoder has seen
MEGAPIXELS, DISTINCT = 3.0, 48
LATENCY = 0.1  # seconds
WARM_UP = 5.0  # seconds: decoders and threads start when they are first needed
ENCODER, SIDE = "timm:tf_efficientnet_lite0", 224  # where to begin without a card
NO_HOST_LIMITS = {
    "FETCH_REQUESTS_PER_SECOND": "1000",
    "FETCH_REQUESTS_AT_A_TIME": "100",
    "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
}
SUGGESTION_BARS: dict[str, Bar] = {
    "known_picture_p95_ms": at_most(30),
    "new_picture_p95_times_fetching": at_most(2),
    "suggestions_failed": at_most(0),
}


def suggestion_figures(engine: Engine, folder: Path, *, seconds: float) -> dict[str, float]:
    """How long suggestions take ten clients: for known pictures, and for new ones."""
    draw_pictures(folder / "pictures", DISTINCT, megapixels=(MEGAPIXELS, MEGAPIXELS))
    _put_model(engine, folder / "models")
    options = ServerOptions(hosts=40, latency=LATENCY, fault_share=0.0, folder=folder / "pictures")
    with (
        picture_server(options) as hosts,
        desk_service(folder, uuid4(), **NO_HOST_LIMITS) as desk,
        PictureFetcher(user_agent="benchmark", policy=AddressPolicy.parse("127.0.0.0/8")) as own,
    ):
        client = Suggesting(desk, hosts, _token(engine))
        client.new(0)  # loads the network
        at_pace(client.new, WARM_UP)
        known = at_pace(client.known, seconds)
        fetching = at_pace(lambda number: own.fetch(hosts.url(number)), seconds)
        new = at_pace(client.new, seconds)
        memory = psutil.Process(desk.pid).memory_info().rss
    took = {"known_picture": known, "new_picture": new, "fetching": fetching}
    figures = {f"{name}_p95_ms": 1_000 * p95(each) for name, each in took.items()}
    figures |= {f"{name}_median_ms": 1_000 * statistics.median(each) for name, each in took.items()}
    figures["new_picture_p95_times_fetching"] = p95(new) / p95(fetching)
    figures["desk_memory_mib"] = memory / (1 << 20)
    return figures | {"suggestions": len(known) + len(new), "suggestions_failed": client.failed}


class Suggesting:
    """What the clients ask; threads share one."""

    def __init__(self, desk: DeskService, hosts: PictureServer, token: str) -> None:
        self._url = f"{desk.url}/v1/projects/measured/suggest"
        self._hosts = hosts
        self._session = requests.Session()
        self._session.auth = ("annif", token)
        self.failed = 0

    def known(self, number: int) -> None:
        self._ask({"metadata_europeana_id": _record(number % RECORDS), "text": "a text " * 200})

    def new(self, number: int) -> None:
        self._ask({"metadata_image_url": self._hosts.url(number), "text": "a text " * 200})

    def _ask(self, fields: dict[str, str]) -> None:
        answer = self._session.post(self._url, data=fields, timeout=60)
        self.failed += not (answer.ok and answer.json()["results"])


def at_pace(ask: Callable[[int], object], seconds: float) -> list[float]:
    """The seconds of each request of SUGGESTING clients that begin one every second."""

    def work(client: int) -> Iterator[float]:
        begins = time.monotonic() + client / SUGGESTING
        for number in range(round(seconds)):
            time.sleep(max(0.0, begins + number - time.monotonic()))
            before = time.perf_counter()
            ask(number * SUGGESTING + client)
            yield time.perf_counter() - before

    with ThreadPoolExecutor(SUGGESTING) as clients:
        return [
            took
            for each in clients.map(lambda one: list(work(one)), range(SUGGESTING))
            for took in each
        ]


def p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20)[-1]


def _token(engine: Engine) -> str:
    return add_token(engine, "annif", role=Role.VIEWER, expires_at=None, per_minute=100_000)


def _record(number: int) -> str:
    return f"/1/known_{number}"


def _put_model(engine: Engine, model_dir: Path) -> None:
    """A model on an encoder, and records whose embeddings are kept."""
    torch.manual_seed(0)
    source = EncoderSource(
        network=ENCODER,
        weights=build_network(ENCODER, size=SIDE).state_dict(),
        preprocessing=Preprocessing(size=SIDE),
        licence="",
        described="drawn weights",
    )
    encoder, _ = add_encoder(engine, model_dir, "drawn", source)
    with engine.begin() as connection:
        copy_rows(connection, "concept", ("uri", "label"), zip(CONCEPTS, CONCEPTS, strict=True))
    description = replace(drawn_description(ENCODER, SIDE), encoder=encoder.sha256)
    head = {
        "weight": torch.randn(len(CONCEPTS), encoder.dimension),
        "bias": torch.zeros(len(CONCEPTS)),
    }
    examples = torch.randint(0, 256, (8, 3, SIDE, SIDE), dtype=torch.uint8)
    put_in_service(
        engine, model_dir, description, [head], self_test=examples, name="measured", active=True
    )
    _keep_embeddings(engine, encoder.id, encoder.dimension)


def _keep_embeddings(engine: Engine, encoder_id: int, dimension: int) -> None:
    drawn = np.random.default_rng(0).normal(size=(RECORDS, dimension)).astype(np.float32)
    records = [_record(number) for number in range(RECORDS)]
    digests = [sha256(each.encode()).digest() for each in records]
    urls = [f"https://museum.example{each}.jpg" for each in records]
    vectors = dict(zip(digests, halved(drawn), strict=True))
    add_seen_records(engine, encoder_id, records, urls, vectors)
