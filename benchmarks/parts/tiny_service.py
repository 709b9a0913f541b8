"""A worker process with tiny pictures and a tiny classifier, so that our code takes the time.

Postgres, Valkey, image hosts and the worker are real, each in its own process. The store has the
records, so that no API is needed.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import Engine, text

from benchmarks.parts.drawn_models import drawn_description, put_classifier_in_service
from benchmarks.parts.picture_server import (
    PictureServer,
    ServerOptions,
    host_address,
    picture_server,
)
from benchmarks.parts.services import program, running, store_and_broker

ARCHITECTURE, SIZE = "squeezenet1_1", 32  # a third of a millisecond per picture
MEAN_BYTES = 1_500  # of a picture
HOSTS = 40
MAP, PAINTING = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/47"
NO_LIMITS = {"FETCH_REQUESTS_PER_SECOND": "10000", "FETCH_REQUESTS_AT_A_TIME": "100"}


@dataclass(frozen=True, kw_only=True)
class TinyService:
    """A store with records and a model, and the environment for workers on it."""

    engine: Engine
    environment: dict[str, str]

    def worker(self, **settings: str) -> AbstractContextManager[psutil.Process]:
        return running(program("worker", "run"), self.environment | settings)


@contextmanager
def tiny_service(folder: Path, *, records: int, latency: float) -> Iterator[TinyService]:
    """Start all that a worker needs; `folder` is for the model, `latency` is that of the hosts."""
    options = ServerOptions(hosts=HOSTS, latency=latency, fault_share=0.0, mean_bytes=MEAN_BYTES)
    with picture_server(options) as pictures, store_and_broker() as engine:
        environment = NO_LIMITS | {
            "EUROPEANA_API_KEY": "none",
            "EUROPEANA_API_URL": f"http://{host_address(0)}:{pictures.port}",  # of thumbnails
            "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
            "MODEL_DIR": str(folder / "models"),
            "WORKER_RUNTIME": "torch",
        }
        put_tiny_in_service(engine, folder / "models")
        add_records(engine, pictures, records)
        yield TinyService(engine=engine, environment=environment)


def put_tiny_in_service(engine: Engine, model_dir: Path) -> None:
    """Put a classifier in service that predicts a map for every picture and never a painting."""
    description = drawn_description(ARCHITECTURE, SIZE, {MAP: 0.0, PAINTING: None})
    put_classifier_in_service(engine, model_dir, "tiny", description)


_RECORDS = text("""
    INSERT INTO record (id, media_url)
    SELECT '/1/r' || n, 'http://' || (CAST(:hosts AS text[]))[n % :count + 1] || ':' || :port
                        || '/' || n || '.jpg'
    FROM generate_series(0, :records - 1) AS n
""")


def add_records(engine: Engine, pictures: PictureServer, records: int) -> None:
    """Add records /1/r0, /1/r1, ... with the address of their picture."""
    hosts = [host_address(number) for number in range(HOSTS)]
    asked = {"records": records, "hosts": hosts, "count": HOSTS, "port": str(pictures.port)}
    with engine.begin() as connection:
        connection.execute(_RECORDS, asked)


def record_ids(count: int, *, first: int = 0) -> Iterator[str]:
    """The IDs of `count` records."""
    return (f"/1/r{number}" for number in range(first, first + count))
