"""A thousand good pictures with forty hostile ones among them: what do the neighbours notice?

    python -m benchmarks.hostile_pictures [--good 1000] [--each 4]

`harvester images` fetches the good ones alone, and then, into another database, the same with the
hostile ones among them, from a local server. Every good one must be stored, and every hostile one
must fail with a reason of its kind. Memory is the proportional set size (PSS) of the command and
its decoders together, looked at ten times a second. A worker then does the same as one job.
"""

import functools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from sqlalchemy import create_engine, text

from benchmarks.harvest_resume import REPOSITORY, databases
from benchmarks.parts.hostile_files import hostile_files
from benchmarks.parts.hostile_worker import Enriched, enrich
from benchmarks.parts.report import Bar, at_least, at_most, finish
from benchmarks.parts.watching import pss_gib, watching
from deploy.local import local_services

COMMAND = ("-c", "from harvester.cli import main; main()", "images", "--dataset", "all")
CONCEPT = "http://data.europeana.eu/concept/43"
SMALLEST, LARGEST = 400, 1500  # pixels of a good picture's longer side
LOOKS_PER_SECOND = 10
MOST_SECONDS = 240.0
MOST_MEMORY = 1.5  # GiB above the good ones alone


@dataclass(frozen=True)
class Harvested:
    """What one run came to: by file, `stored` or the reason."""

    seconds: float
    peak_gib: float
    outcomes: Mapping[str, str]


def draw_good(folder: Path, count: int) -> list[str]:
    """JPEG files, no two of which are alike; their names."""
    names = [f"good_{number:05}" for number in range(count)]
    for number, name in enumerate(names):
        chance = np.random.default_rng(number)
        width = SMALLEST + (LARGEST - SMALLEST) * number // max(1, count - 1)
        noise = chance.integers(0, 256, (width // 8, width // 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((width, width * 3 // 4)).save(
            folder / f"{name}.jpg", quality=88
        )
    return names


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of the files, in a process of its own; its URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(str(folder), theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """A line for each request would be noise."""


def _serve(folder: str, told: Connection) -> None:
    handler = functools.partial(_Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        told.send(server.server_address[1])
        server.serve_forever()


def harvest(database_url: str, url: str, names: Sequence[str], *, images: Path) -> Harvested:
    """Fetch the files of a server into a new database."""
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "IMAGE_DIR": str(images),
        "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
        "FETCH_REQUESTS_PER_SECOND": "1000",
        "FETCH_REQUESTS_AT_A_TIME": "16",
    }
    alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(alembic, cwd=REPOSITORY, env=environment, check=True)
    _insert(database_url, {f"/1/{name}": f"{url}/{name}.jpg" for name in names})
    began, peak = time.monotonic(), 0.0
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "--picture", "media"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
    )

    def look() -> None:
        nonlocal peak
        peak = max(peak, pss_gib(process.pid))

    try:
        with watching(look, per_second=LOOKS_PER_SECOND):
            process.wait(timeout=2 * MOST_SECONDS)
    finally:
        process.kill()
    return Harvested(time.monotonic() - began, peak, _outcomes(database_url))


def _insert(database_url: str, records: Mapping[str, str]) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO concept VALUES (:uri, 'map')"), {"uri": CONCEPT})
        connection.execute(text("INSERT INTO dataset (name) VALUES ('all')"))
        rows = [{"id": record_id, "url": url} for record_id, url in records.items()]
        connection.execute(text("INSERT INTO record (id, media_url) VALUES (:id, :url)"), rows)
        items = "INSERT INTO dataset_item SELECT dataset.id, record.id, :uri, 'search' FROM"
        connection.execute(text(f"{items} dataset, record"), {"uri": CONCEPT})
    engine.dispose()


def _outcomes(database_url: str) -> dict[str, str]:
    engine = create_engine(database_url)
    query = "SELECT record_id, CASE state WHEN 'stored' THEN 'stored' ELSE reason END FROM image"
    with engine.connect() as connection:
        found = {str(row[0]).removeprefix("/1/"): str(row[1]) for row in
                 connection.execute(text(query + " WHERE state <> 'deferred'"))}  # fmt: skip
    engine.dispose()
    return found


@dataclass(frozen=True)
class Files:
    """What the server has: the good names, and of the hostile ones their kinds and reasons."""

    good: Sequence[str]
    kinds: Mapping[str, str]
    reasons: Mapping[str, frozenset[str]]

    def mixed(self) -> list[str]:
        """The hostile ones evenly among the good ones, kind after kind."""
        order = sorted(self.kinds, key=lambda name: name.split("_")[2])
        spacing = max(1, len(self.good) // len(order))
        listed = list(self.good)
        for number, name in enumerate(order):
            listed.insert(number * (spacing + 1), name)
        return listed

    def without_reason(self, found: Mapping[str, str]) -> int:
        """How many hostile ones did not fail with a reason of their kind."""
        return sum(found.get(name) not in self.reasons[name] for name in self.reasons)


def draw(folder: Path, *, good: int, each: int) -> Files:
    """All files, in a new folder."""
    folder.mkdir()
    kinds, reasons = {}, {}
    for number, file in enumerate(hostile_files()):
        for copy in range(each):
            path = folder / f"bad_{number}_{copy}.jpg"
            path.write_bytes(file.content)
            kinds[path.stem], reasons[path.stem] = file.kind, file.reasons
    return Files(draw_good(folder, good), kinds, reasons)


def main(
    good: Annotated[int, typer.Option(min=10)] = 1000,
    each: Annotated[int, typer.Option(min=1, help="Addresses of each hostile file.")] = 4,
) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = draw(folder / "files", good=good, each=each)
        with serving(folder / "files") as url:
            with local_services() as services:
                urls = databases(services.postgres, ["good", "mixed"])
                alone = harvest(urls[0], url, files.good, images=folder / "alone")
                together = harvest(urls[1], url, files.mixed(), images=folder / "together")
            worked = [
                enrich(
                    folder / f"worker_{len(names)}",
                    {each: f"{url}/{each}.jpg" for each in names},
                    most_seconds=2 * MOST_SECONDS,
                )
                for names in (files.good, files.mixed())
            ]
    harvester_figures, bars = harvest_figures(files, alone, together)
    worker_figures, worker_bars = enrich_figures(files, *worked)
    finish(figures=harvester_figures | worker_figures, bars=bars | worker_bars)


def harvest_figures(
    files: Files, alone: Harvested, together: Harvested
) -> tuple[dict[str, Any], dict[str, Bar]]:
    """The figures of `harvester images`, and their bars."""
    found, kinds = together.outcomes, files.kinds
    reasons = {
        kind: sorted({found.get(name, "none") for name in kinds if kinds[name] == kind})
        for kind in dict.fromkeys(kinds.values())
    }
    figures = {
        "good": len(files.good),
        "hostile": len(kinds),
        "settled": len(found),
        "good_missed": sum(found.get(each) != "stored" for each in files.good),
        "hostile_without_their_reason": files.without_reason(found),
        "reasons": reasons,
        "seconds_alone": round(alone.seconds, 1),
        "seconds": round(together.seconds, 1),
        "peak_gib_alone": round(alone.peak_gib, 3),
        "gib_above": round(together.peak_gib - alone.peak_gib, 3),
    }
    return figures, {
        "settled": at_least(len(files.mixed())),
        "good_missed": at_most(0),
        "hostile_without_their_reason": at_most(0),
        "seconds": at_most(MOST_SECONDS),
        "gib_above": at_most(MOST_MEMORY),
    }


def enrich_figures(
    files: Files, alone: Enriched, together: Enriched
) -> tuple[dict[str, Any], dict[str, Bar]]:
    """The figures of a worker, and their bars."""
    figures = {
        "worker_waiting": together.waiting,
        "worker_good_missed": len(files.good) - together.classified,
        "worker_hostile_without_their_reason": files.without_reason(together.reasons),
        "worker_seconds_alone": round(alone.seconds, 1),
        "worker_seconds": round(together.seconds, 1),
        "worker_peak_gib_alone": round(alone.peak_gib, 3),
        "worker_gib_above": round(together.peak_gib - alone.peak_gib, 3),
    }
    none = ("worker_waiting", "worker_good_missed", "worker_hostile_without_their_reason")
    return figures, {
        **dict.fromkeys(none, at_most(0)),
        "worker_seconds": at_most(MOST_SECONDS),
        "worker_gib_above": at_most(MOST_MEMORY),
    }


if __name__ == "__main__":
    typer.run(main)
