"""A worker process over tiny pictures and a tiny classifier: what takes time is ours alone.

Postgres, Valkey, image hosts and the worker are real, each a process of its own. The store knows
the records, so that no API is asked.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from sqlalchemy import Engine, create_engine, text

from benchmarks.parts.picture_server import (
    PictureServer,
    ServerOptions,
    host_address,
    picture_server,
)
from common.vision.bundle import Description
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from deploy.local import local_services
from trainer.models.registry import put_in_service

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = (sys.executable, "-c", "from worker.cli import main; main()", "run")
ARCHITECTURE, SIZE = "squeezenet1_1", 32  # a third of a millisecond a picture
MEAN_BYTES = 1_500  # of a picture
HOSTS = 40
MAP, PAINTING = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/47"
NO_LIMITS = {"FETCH_REQUESTS_PER_SECOND": "10000", "FETCH_REQUESTS_AT_A_TIME": "100"}
TIMEOUT = 180.0  # seconds until something that should happen has happened


@dataclass(frozen=True, kw_only=True)
class TinyService:
    """A store with records and a model, and the environment for workers on it."""

    engine: Engine
    environment: dict[str, str]

    @contextmanager
    def worker(self, **settings: str) -> Iterator[int]:
        """A worker process for as long as the block lasts; its process ID."""
        with subprocess.Popen(WORKER, cwd=REPOSITORY, env=self.environment | settings) as process:
            try:
                yield process.pid
            finally:
                process.terminate()


@contextmanager
def tiny_service(folder: Path, *, records: int, latency: float) -> Iterator[TinyService]:
    """Everything that a worker needs; `folder` is for the model, `latency` that of the hosts."""
    options = ServerOptions(hosts=HOSTS, latency=latency, fault_share=0.0, mean_bytes=MEAN_BYTES)
    with picture_server(options) as pictures, local_services() as services:
        environment = os.environ | NO_LIMITS | {
            "DATABASE_URL": services.database_url,
            "BROKER_URL": services.broker_url,
            "EUROPEANA_API_KEY": "none",
            "EUROPEANA_API_URL": f"http://{host_address(0)}:{pictures.port}",  # of thumbnails
            "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
            "MODEL_DIR": str(folder / "models"),
            "WORKER_RUNTIME": "torch",
        }  # fmt: skip
        alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
        subprocess.run(alembic, cwd=REPOSITORY, env=environment, check=True)
        engine = create_engine(services.database_url)
        put_classifier_in_service(engine, folder / "models")
        add_records(engine, pictures, records)
        yield TinyService(engine=engine, environment=environment)
        engine.dispose()


def put_classifier_in_service(engine: Engine, model_dir: Path) -> None:
    """Drawn weights, which see a map in every picture and a painting in none."""
    torch.manual_seed(0)
    drawn = torch.randint(0, 256, (8, 3, SIZE, SIZE), dtype=torch.uint8)
    description = Description(
        architecture=ARCHITECTURE,
        labels=("map", "painting"),
        concept_uris=(MAP, PAINTING),
        preprocessing=Preprocessing(size=SIZE),
        kind="single",
        temperature=1.0,
        thresholds={MAP: 0.0, PAINTING: None},
        picture_source="media",
        created_from={},
    )
    put_in_service(
        engine,
        model_dir,
        description,
        [build_classifier(ARCHITECTURE, classes=2, size=SIZE).state_dict()],
        self_test=drawn,
        name="tiny",
        active=True,
    )


_RECORDS = text("""
    INSERT INTO record (id, media_url)
    SELECT '/1/r' || n, 'http://' || (CAST(:hosts AS text[]))[n % :count + 1] || ':' || :port
                        || '/' || n || '.jpg'
    FROM generate_series(0, :records - 1) AS n
""")


def add_records(engine: Engine, pictures: PictureServer, records: int) -> None:
    """Records /1/r0, /1/r1, ... with the address of their picture."""
    hosts = [host_address(number) for number in range(HOSTS)]
    asked = {"records": records, "hosts": hosts, "count": HOSTS, "port": str(pictures.port)}
    with engine.begin() as connection:
        connection.execute(_RECORDS, asked)


def record_ids(count: int, *, first: int = 0) -> Iterator[str]:
    """So many of the records."""
    return (f"/1/r{number}" for number in range(first, first + count))


def wait_for(condition: Callable[[], bool], *, seconds: float = TIMEOUT) -> float:
    """Wait until it holds; how many seconds it took.

    Raises:
        TimeoutError: it does not come to hold.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.05)
    return time.monotonic() - started
