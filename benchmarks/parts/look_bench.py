"""A worker with models on one encoder: real records of the sandbox, and random embeddings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import torch
from sqlalchemy import Engine, text

from benchmarks.parts.drawn_models import CONCEPTS
from benchmarks.parts.drawn_records import add_seen_records
from benchmarks.parts.enrich_service import LIMITS, Service
from benchmarks.parts.services import program, running, sandbox_process, store_and_broker
from common.store.bulk import copy_rows
from common.store.tables.seen import partition_of
from common.vision.answers.heads import Embeddings, Head, halved
from common.vision.bundle import Description
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import Encoder, load_encoder
from common.vision.encoders.networks import build_network
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import save_bundle
from trainer.models.encoders import EncoderSource, add_encoder

NETWORK, SIZE = "torchvision:resnet18", 224
HOSTS = tuple(f"museum{number:02}.example" for number in range(1, 41))
SHARES = (0.6, *[0.03] * (len(CONCEPTS) - 1))  # of the records for which each concept is written
PART = 10_000  # rows per transaction


@dataclass(frozen=True, kw_only=True)
class LookBench:
    """The running service, and the encoder of the models."""

    service: Service
    encoder: Encoder
    encoder_id: int
    model_dir: Path
    sandbox_url: str

    def promote(self, name: str, sample: Embeddings) -> None:
        """Promote a model with a random head; SHARES of the sample get its concepts."""
        drawn = np.random.default_rng(sum(name.encode()))
        weight = drawn.normal(size=(len(CONCEPTS), self.encoder.description.dimension))
        logits = Head.rounded(weight, np.zeros(len(CONCEPTS))).logits(sample)
        places = [np.quantile(logits[:, n], 1 - share) for n, share in enumerate(SHARES)]
        description = Description(
            architecture=NETWORK,
            labels=tuple(f"concept {number}" for number, _ in enumerate(CONCEPTS)),
            concept_uris=CONCEPTS,
            preprocessing=self.encoder.description.preprocessing,
            kind="multi",
            temperature=1.0,
            thresholds=dict.fromkeys(CONCEPTS, 0.5),
            picture_source="media",
            created_from={},
            encoder=self.encoder.description.identity,
        )
        state = {"weight": torch.from_numpy(weight), "bias": -torch.tensor(np.array(places))}
        folder = self.model_dir / f"{name}-1"
        digest = save_bundle(folder, description, [state], encoders=self.model_dir / ENCODERS)
        row = {"name": name, "path": folder.name, "sha256": digest, "labels": list(CONCEPTS)}
        with self.service.engine.begin() as connection:
            connection.execute(_MODEL, row | {"encoder_id": self.encoder_id})

    def requests(self) -> int:
        """How many requests the sandbox has answered so far."""
        with urlopen(f"{self.sandbox_url}/sandbox/requests", timeout=60) as answer:
            told = json.load(answer)
        return sum(int(host["requests"]) for host in told.values())

    def add_drawn(self, sample: Embeddings, numbers: range) -> None:
        """Add records whose pictures count as seen, with embeddings around those of a sample."""
        drawn = np.random.default_rng(numbers.start)
        for start in range(numbers.start, numbers.stop, PART):
            part = range(start, min(start + PART, numbers.stop))
            near = sample[drawn.integers(0, len(sample), len(part))].astype(np.float32)
            noise = drawn.normal(size=near.shape, scale=1 / near.shape[1]).astype(np.float32)
            _add_part(self.service.engine, self.encoder_id, part, halved(near + noise))
        self._settle()

    def _settle(self) -> None:
        """Vacuum the tables as in a store that is in use. Otherwise autovacuum would work on a
        million new rows while they are read.
        """
        filled = ("record", "picture_seen", partition_of(self.encoder_id))
        with self.service.engine.connect() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            alone.execute(text(f"VACUUM (ANALYZE) {', '.join(filled)}"))


_MODEL = text("""
    INSERT INTO model (name, version, path, sha256, labels, thresholds, encoder_id)
    VALUES (:name, 1, :path, :sha256, :labels, '{}', :encoder_id)
""")


def drawn_id(number: int) -> str:
    """The ID of a record with a random embedding."""
    return f"/{number % 2000 + 1}/drawn_{number:08}"


def _add_part(engine: Engine, encoder_id: int, part: range, vectors: Embeddings) -> None:
    digests = [sha256(number.to_bytes(8, "big")).digest() for number in part]
    urls = [f"https://{HOSTS[number % len(HOSTS)]}/drawn/{number}.jpg" for number in part]
    ids = [drawn_id(number) for number in part]
    add_seen_records(engine, encoder_id, ids, urls, dict(zip(digests, vectors, strict=True)))


@contextmanager
def look_bench(folder: Path) -> Iterator[LookBench]:
    """Start the service, with an encoder and the concepts in the store."""
    model_dir = folder / "models"
    torch.manual_seed(0)
    source = EncoderSource(
        network=NETWORK,
        weights=build_network(NETWORK, size=SIZE).state_dict(),
        preprocessing=Preprocessing(size=SIZE),
        licence="",
        described="drawn weights",
    )
    with (
        store_and_broker() as engine,
        sandbox_process(
            folder,
            *("--catalog", str(folder), "--hosts", "40"),
            faults={},
            module="benchmarks.parts.distinct_sandbox",
        ) as (sandbox, variables),
    ):
        with engine.begin() as connection:
            copy_rows(connection, "concept", ("uri", "label"), zip(CONCEPTS, CONCEPTS, strict=True))
        stored, _ = add_encoder(engine, model_dir, "drawn", source)
        environment = {
            "MODEL_DIR": str(model_dir),
            "WORKER_CACHE_DIR": str(folder / "exports"),
            "WORKER_ASK_SECONDS": "0.5",
        }
        with running(program("worker", "run"), variables | LIMITS | environment) as worker:
            yield LookBench(
                service=Service(engine=engine, worker=worker, sandbox=sandbox),
                encoder=load_encoder(model_dir / ENCODERS, stored.sha256),
                encoder_id=stored.id,
                model_dir=model_dir,
                sandbox_url=variables["EUROPEANA_API_URL"],
            )
