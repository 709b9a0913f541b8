"""The service at work: a sandbox, Postgres, Valkey and a worker, each a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import psutil
import torch
from sqlalchemy import Engine, create_engine, text

from common.store.tables import PictureChoice
from common.vision.answers.likeness import Likeness
from common.vision.bundle import Description
from common.vision.encoders.networks import build_network
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import bundle_sha256
from common.vision.weights import StateDict
from deploy.local import local_services
from trainer.models.encoders import EncoderSource, add_encoder
from trainer.models.registry import put_in_service
from worker import jobs

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = ("-c", "from worker.cli import main; main()", "run")
LATENCY = 0.1  # seconds on every answer
SLOW_SECONDS = 8.0  # of the slow host
SLOW_HOST = "slow.example"
POLL_SECONDS = 0.5
TIMEOUT = 900.0  # seconds that a job may take
CONCEPTS = tuple(f"http://data.europeana.eu/concept/{number}" for number in range(1, 21))
ALWAYS, SOMETIMES = 0.0, 0.06  # thresholds; a probability is 0.05 on average

# A host bears 15 requests a second, two at a time: far more than comes of it here.
LIMITS = {"FETCH_REQUESTS_PER_SECOND": "15", "FETCH_REQUESTS_AT_A_TIME": "2"}


@dataclass(frozen=True, kw_only=True)
class ServiceEnded:
    """A job, or the part of it that was waited for: seconds from its acceptance on."""

    pictures: int
    seconds: float
    cpu_seconds: dict[str, float]  # by process

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds


@dataclass(frozen=True, kw_only=True)
class Service:
    """What runs; a benchmark's jobs are the only ones."""

    engine: Engine
    worker: psutil.Process
    sandbox: psutil.Process

    def run(self, record_ids: Sequence[str], *, model: str, least: float = 1.0) -> ServiceEnded:
        """Enqueue records and wait until the job is done; at least a share must be enriched."""
        before = self._cpu_seconds()
        job_id = self._enqueue(record_ids, model)
        status = jobs.status(self.engine, job_id)
        deadline = time.monotonic() + TIMEOUT
        while status.state == "running" and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            status = jobs.status(self.engine, job_id)
        if status.finished_at is None or status.enriched < least * len(record_ids):
            raise SystemExit(f"not all records were enriched: {status}")
        seconds = (status.finished_at - status.created_at).total_seconds()
        return self._ended(len(record_ids), seconds, before)

    def run_until(
        self, record_ids: Sequence[str], awaited: Sequence[str], *, model: str
    ) -> ServiceEnded:
        """Enqueue records, wait until the awaited ones are enriched, and cancel the rest."""
        before = self._cpu_seconds()
        job_id = self._enqueue(record_ids, model)
        deadline = time.monotonic() + TIMEOUT
        count, seconds = self._enriched(job_id, awaited)
        while count < len(awaited):
            if time.monotonic() > deadline:
                raise SystemExit(f"{count} of {len(awaited)} records were enriched in time")
            time.sleep(POLL_SECONDS)
            count, seconds = self._enriched(job_id, awaited)
        ended = self._ended(count, seconds, before)
        jobs.cancel(self.engine, job_id)
        return ended

    def _enqueue(self, record_ids: Sequence[str], model: str) -> UUID:
        options = jobs.JobOptions(picture=PictureChoice.MEDIA, model=model)
        return jobs.enqueue(self.engine, record_ids, options).job_id

    def _enriched(self, job_id: UUID, record_ids: Sequence[str]) -> tuple[int, float]:
        """How many of the records the job has enriched, and when it wrote the last of them."""
        asked = {"job_id": job_id, "record_ids": list(record_ids)}
        with self.engine.connect() as connection:
            row = connection.execute(_ENRICHED, asked).one()
        return row.records, row.seconds

    def _ended(self, pictures: int, seconds: float, before: dict[str, float]) -> ServiceEnded:
        after = self._cpu_seconds()
        spent = {name: round(after[name] - before[name], 2) for name in after}
        return ServiceEnded(pictures=pictures, seconds=seconds, cpu_seconds=spent)

    def _cpu_seconds(self) -> dict[str, float]:
        """By process; `services` are Postgres and Valkey, all that run."""
        own = {self.worker.pid: "worker", self.sandbox.pid: "sandbox"}
        own |= {child.pid: "decoders" for child in self.worker.children(recursive=True)}
        spent = {"worker": 0.0, "decoders": 0.0, "sandbox": 0.0, "services": 0.0}
        for process in psutil.Process().children(recursive=True):
            times = process.cpu_times()
            ended = times.children_user + times.children_system
            spent[own.get(process.pid, "services")] += times.user + times.system + ended
        return spent


_ENRICHED = text("""
    SELECT count(DISTINCT record_id) AS records,
           coalesce(extract(epoch FROM max(enrichment.updated_at) - min(job.created_at)), 0)::float
               AS seconds
    FROM enrichment JOIN job ON job.id = enrichment.job_id
    WHERE job_id = :job_id AND record_id = ANY(:record_ids)
""")


@contextmanager
def sandbox_process(
    folder: Path, slow_hosts: Sequence[str] = (), *, program: str = "deploy.sandbox"
) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """The sandbox over the catalogue in a folder, and the environment for its users.

    Args:
        program: the sandbox's own, or one with its arguments.
    """
    faults = folder / "faults.json"
    slow = [{"kind": "latency", "seconds": SLOW_SECONDS - LATENCY}]
    faults.write_text(json.dumps({"hosts": dict.fromkeys(slow_hosts, slow)}), encoding="utf-8")
    command = [sys.executable, "-m", program, "--catalog", str(folder), "--port", "0"]
    command += ["--hosts", "40", "--quota", "1000000", "--latency", str(LATENCY)]
    command += ["--faults", str(faults)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = process.stdout or ()
            export = next(line for line in lines if line.strip().startswith("export"))
            variables = dict(part.split("=", 1) for part in export.split()[1:])
            yield psutil.Process(process.pid), variables
        finally:
            process.terminate()


@contextmanager
def worker_process(
    environment: dict[str, str], checkout: Path = REPOSITORY
) -> Iterator[psutil.Process]:
    """A worker of the code in a checkout, with all its defaults."""
    command = [sys.executable, *WORKER]
    with subprocess.Popen(command, cwd=checkout, env=os.environ | environment) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def store_and_broker(checkout: Path = REPOSITORY) -> Iterator[Engine]:
    """A store, migrated by the code in a checkout; the environment tells a worker that is started
    now where it and the broker are."""
    with local_services() as services:
        os.environ |= {"DATABASE_URL": services.database_url, "BROKER_URL": services.broker_url}
        alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
        subprocess.run(alembic, cwd=checkout, check=True)
        engine = create_engine(services.database_url)
        try:
            yield engine
        finally:
            engine.dispose()


def put_resnet18_in_service(engine: Engine, model_dir: Path, size: int) -> tuple[Path, str]:
    """A resnet18 of drawn weights that says at least one thing of every picture; its bundle."""
    torch.manual_seed(0)
    classifier = build_classifier("resnet18", classes=len(CONCEPTS), size=size)
    description = drawn_description("resnet18", size)
    return _put(engine, model_dir, description, classifier.state_dict(), f"resnet18_{size}")


def put_head_in_service(
    engine: Engine,
    model_dir: Path,
    size: int,
    name: str = "head",
    seed: int = 0,
    likeness: Likeness | None = None,
) -> tuple[Path, str]:
    """The same resnet18 as an encoder, and a head of drawn weights on it; its bundle."""
    torch.manual_seed(0)
    source = EncoderSource(
        network="torchvision:resnet18",
        weights=build_network("torchvision:resnet18", size=size).state_dict(),
        preprocessing=Preprocessing(size=size),
        licence="",
        described="drawn weights",
    )
    encoder, _ = add_encoder(engine, model_dir, f"resnet18_{size}", source)
    torch.manual_seed(seed)
    head = {"weight": torch.randn(len(CONCEPTS), encoder.dimension), "bias": torch.zeros(20)}
    description = replace(drawn_description(encoder.network, size), encoder=encoder.sha256)
    return _put(engine, model_dir, description, head, name, likeness)


def drawn_description(architecture: str, size: int) -> Description:
    """A classifier that says at least one thing of every picture."""
    thresholds: dict[str, float | None] = dict.fromkeys(CONCEPTS, SOMETIMES)
    return Description(
        architecture=architecture,
        labels=tuple(f"concept {number}" for number, _ in enumerate(CONCEPTS)),
        concept_uris=CONCEPTS,
        preprocessing=Preprocessing(size=size),
        kind="single",
        temperature=1.0,
        thresholds=thresholds | {CONCEPTS[0]: ALWAYS},
        picture_source="media",
        created_from={},
    )


def _put(
    engine: Engine,
    model_dir: Path,
    description: Description,
    member: StateDict,
    name: str,
    likeness: Likeness | None = None,
) -> tuple[Path, str]:
    size = description.preprocessing.size
    drawn = torch.randint(0, 256, (8, 3, size, size), dtype=torch.uint8)
    promoted = put_in_service(
        engine,
        model_dir,
        description,
        [member],
        self_test=drawn,
        likeness=likeness,
        name=name,
        active=True,
    )
    bundle = model_dir / promoted.path
    return bundle, bundle_sha256(bundle)
