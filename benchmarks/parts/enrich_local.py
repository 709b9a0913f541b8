"""Our pipeline over files on the local disk, and its two parts alone.

The worker's own classes do the work: `Pipeline`, `Batcher` and the runtime, with as many chunks at
a time. Only HTTP, the APIs and the store are left out.
"""

import itertools
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from uuid import UUID

import torch
from pydantic import SecretStr
from sqlalchemy import create_engine

from common.errors import RecordError
from common.fetch.addresses import IPAddress
from common.fetch.answers import sniff
from common.fetch.client import Fetched, FetchRequest
from common.fetch.host_limits import HostLimits, LocalHostLimiter
from common.pictures.decode import decode
from common.pictures.decoders import Decoders
from common.pictures.sources import PictureUrl
from common.process.cores import switch_threads_often
from common.process.settings.worker import WorkerSettings
from common.store.tables import PictureChoice, PictureSource
from common.vision.model import Model
from common.vision.runtimes import Runtime, RuntimeChoice, choose_runtime
from common.vision.saved_model import load_bundle
from worker.enrich.looking import Looker, MeteredFetcher
from worker.enrich.model_pool import LoadedModel, LoadedNetwork, ModelsInUse
from worker.enrich.pipeline import Pipeline
from worker.enrich.resolve import PictureTarget, RecordResolver
from worker.enrich.seen import SeenPictures
from worker.ledger.chunks import Lease
from worker.ledger.cutting import CHUNK_SIZE
from worker.ledger.routes import Routes

ALONE_SECONDS = 6.0  # for the decoder, and for the model
_DISK = ip_address("127.0.0.1")
NO_LIMITS = HostLimits(max_concurrent=1000, requests_per_second=1e6)


@dataclass(frozen=True, kw_only=True)
class LocalAssignment:
    """The input of every client: picture files, in order, and the model to classify them."""

    pictures: tuple[str, ...]
    size: int  # of the model's pictures, pixels per side
    bundle: str
    sha256: str
    runtime: RuntimeChoice
    cache_dir: str

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The assignment that `json.dumps(asdict(...))` wrote."""
        members = json.loads(text)
        return cls(**members | {"pictures": tuple(members["pictures"])})

    def model(self) -> Model:
        return load_bundle(Path(self.bundle), self.sha256)

    def open_runtime(self, model: Model) -> Runtime:
        """The runtime; it computes with one core for each calling thread."""
        torch.set_num_threads(1)
        switch_threads_often()
        return choose_runtime(model, self.runtime, cache_dir=Path(self.cache_dir))

    def preparer(self, model: Model) -> Callable[[bytes], torch.Tensor]:
        """A function from the bytes of a file to uint8 (3, size, size), as in a worker."""
        preprocessing = model.description.preprocessing

        def prepare(content: bytes) -> torch.Tensor:
            image = decode(content, shorter_side=preprocessing.size).image
            return preprocessing.to_uint8(image)

        return prepare


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The number of pictures and the seconds they took, without the start."""

    pictures: int
    seconds: float


def decoded(assignment: LocalAssignment) -> Measured:
    """The decoder alone, on all cores."""
    prepare = assignment.preparer(assignment.model())
    contents = [Path(path).read_bytes() for path in dict.fromkeys(assignment.pictures)]
    count = 0
    with ThreadPoolExecutor(_cores()) as pool:
        began = time.monotonic()
        while time.monotonic() < began + ALONE_SECONDS:
            deque(pool.map(prepare, contents), maxlen=0)
            count += len(contents)
        return Measured(pictures=count, seconds=time.monotonic() - began)


def classified(assignment: LocalAssignment) -> Measured:
    """The model alone, on all cores, in the worker's batches."""
    model = assignment.model()
    runtime = assignment.open_runtime(model)
    shape = (runtime.batch_size, 3, assignment.size, assignment.size)
    batch = torch.randint(0, 256, shape, dtype=torch.uint8)
    counts = [0] * runtime.streams
    began = time.monotonic()

    def compute(stream: int) -> None:
        while time.monotonic() < began + ALONE_SECONDS:
            runtime.rows(batch)
            counts[stream] += runtime.batch_size

    threads = [threading.Thread(target=compute, args=(each,)) for each in range(runtime.streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Measured(pictures=sum(counts), seconds=time.monotonic() - began)


def enriched(assignment: LocalAssignment) -> Measured:
    """The whole pipeline, from files to the concepts that would be written."""
    settings = WorkerSettings(europeana_api_key=SecretStr("unused"))
    model = assignment.model()
    loaded = LoadedModel(
        id=1,
        title="benchmark",
        folder=Path(assignment.bundle),
        sha256=model.sha256,
        answering=model.answering,
        encoder=None,
    )
    network = LoadedNetwork(assignment.open_runtime(model), models={1: model})
    paths = {f"/disk/{number}": path for number, path in enumerate(assignment.pictures)}
    decoders = Decoders()
    seen = SeenPictures(create_engine("postgresql+psycopg2://"))  # no query is sent
    looker = Looker(
        _FileReader(user_agent="benchmark"),
        LocalHostLimiter(NO_LIMITS),
        decoders,
        seen,
        connections=settings.worker_connections,
    )
    pipeline = Pipeline(_Shelf(paths), seen, looker)

    def run(lease: Lease) -> int:
        models = ModelsInUse([loaded], lambda: network)
        return len(pipeline.run(lease, models, on_record=lambda: None).predicted)

    with ThreadPoolExecutor(settings.worker_chunks_in_flight) as chunks:
        began = time.monotonic()
        count = sum(chunks.map(run, _leases(list(paths))))
        seconds = time.monotonic() - began
    network.batcher.stop()
    decoders.close()
    if count < len(paths):
        raise SystemExit(f"{len(paths) - count} of {len(paths)} pictures were not classified")
    return Measured(pictures=count, seconds=seconds)


class _Shelf(RecordResolver):
    """Knows the paths of the pictures, so that it needs neither the store nor an API."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths

    def resolve(
        self, record_ids: Sequence[str], *, picture: str
    ) -> tuple[dict[str, PictureTarget], dict[str, RecordError]]:
        places = {each: f"http://disk{self._paths[each]}" for each in record_ids}
        return {
            each: PictureTarget(
                record_id=each,
                pictures=(PictureUrl(url, PictureSource.MEDIA),),
                data_provider="",
            )
            for each, url in places.items()
        }, {}


class _FileReader(MeteredFetcher):
    """Reads a file, in place of a request to a host."""

    def locate(self, request: FetchRequest, cancelled: object = None) -> tuple[IPAddress, ...]:
        return (_DISK,)

    def step(self, request: FetchRequest, cancelled: object = None) -> Fetched | FetchRequest:
        content = Path(request.url.target).read_bytes()
        return Fetched(content, sniff(content), str(request.url))


def _leases(record_ids: Sequence[str]) -> list[Lease]:
    starts = range(0, len(record_ids), CHUNK_SIZE)
    return [
        Lease(
            job_id=UUID(int=0),
            number=number,
            token=1,
            retries=0,
            routes=Routes(model_id=1),
            picture=PictureChoice.MEDIA,
            record_ids=tuple(record_ids[start : start + CHUNK_SIZE]),
            claimed_at=datetime.now(UTC),
        )
        for number, start in zip(itertools.count(1), starts, strict=False)
    ]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


OURS: Mapping[str, Callable[[LocalAssignment], Measured]] = {
    "decoder": decoded,
    "model": classified,
    "ours": enriched,
}
