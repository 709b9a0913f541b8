"""A thousand good pictures with forty hostile ones among them: what do the neighbours notice?

    python -m benchmarks.hostile_pictures [--good 1000] [--each 4]

`harvester images` fetches the good ones alone, and then, into another database, the same with the
hostile ones among them, from a local server. Every good one must be stored, and every hostile one
must fail with a reason of its kind. Memory is the proportional set size (PSS) of the command and
its decoders together, looked at ten times a second.
"""

import functools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.watching import watching
from deploy.local import local_services

COMMAND = ("-c", "from harvester.cli import main; main()", "images", "--name", "all")
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


def mixed(good: Sequence[str], hostile: Sequence[str]) -> list[str]:
    """The hostile ones evenly among the good ones."""
    spacing = max(1, len(good) // max(1, len(hostile)))
    listed = list(good)
    for number, name in enumerate(hostile):
        listed.insert(number * (spacing + 1), name)
    return listed


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


def pss_gib(process_id: int) -> float:
    """What a process and its descendants hold; shared memory counts once."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    family = {process_id}
    while added := {each for each, parent in parents.items() if parent in family} - family:
        family |= added
    kib = 0
    for each in family:
        with suppress(OSError, ValueError, IndexError):  # it has ended
            rolled = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
            kib += int(rolled.split("\nPss:")[1].split()[0])
    return kib / (1 << 20)


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


def main(
    good: Annotated[int, typer.Option(min=10)] = 1000,
    each: Annotated[int, typer.Option(min=1, help="Addresses of each hostile file.")] = 4,
) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name, local_services() as services:
        folder = Path(name) / "files"
        folder.mkdir()
        sound = draw_good(folder, good)
        reasons: dict[str, frozenset[str]] = {}
        kinds: dict[str, str] = {}
        for number, file in enumerate(hostile_files()):
            (folder / f"bad_{number}_0.jpg").write_bytes(file.content)
            for copy in range(each):
                path = folder / f"bad_{number}_{copy}.jpg"
                if copy:
                    path.hardlink_to(folder / f"bad_{number}_0.jpg")
                reasons[path.stem], kinds[path.stem] = file.reasons, file.kind
        order = sorted(reasons, key=lambda bad: bad.split("_")[2])  # kind after kind, not in a row
        urls = databases(services.postgres, ["good", "mixed"])
        with serving(folder) as url:
            alone = harvest(urls[0], url, sound, images=Path(name) / "alone")
            together = harvest(urls[1], url, mixed(sound, order), images=Path(name) / "together")
    report(sound, reasons, kinds, alone=alone, together=together)


def report(
    sound: Sequence[str],
    reasons: Mapping[str, frozenset[str]],
    kinds: Mapping[str, str],
    *,
    alone: Harvested,
    together: Harvested,
) -> None:
    """Print the figures, and end."""
    found = together.outcomes
    finish(
        figures={
            "good": len(sound),
            "hostile": len(reasons),
            "good_missed_alone": sum(alone.outcomes.get(each) != "stored" for each in sound),
            "good_missed": sum(found.get(each) != "stored" for each in sound),
            "hostile_without_their_reason": sum(found.get(x) not in reasons[x] for x in reasons),
            "reasons": {kind: sorted({found.get(x, "none") for x in kinds if kinds[x] == kind})
                        for kind in dict.fromkeys(kinds.values())},
            "settled": len(found),
            "seconds_alone": round(alone.seconds, 1),
            "seconds": round(together.seconds, 1),
            "peak_gib_alone": round(alone.peak_gib, 3),
            "peak_gib": round(together.peak_gib, 3),
            "gib_above": round(together.peak_gib - alone.peak_gib, 3),
        },
        bars={
            "settled": at_least(len(sound) + len(reasons)),
            "good_missed": at_most(0),
            "hostile_without_their_reason": at_most(0),
            "seconds": at_most(MOST_SECONDS),
            "gib_above": at_most(MOST_MEMORY),
        },
    )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
