"""A thousand good pictures with forty hostile ones among them: are the good ones affected?

    python -m benchmarks.hostile_pictures [--good 1000] [--each 4]

`harvester images` fetches first only the good ones from a local server, and then, into another
database, all of them. Every good one must be stored, and every hostile one must fail with a reason
of its kind. Memory is the proportional set size (PSS) of the command and its decoders together,
read ten times a second. Then a worker does the same as one job.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from PIL import Image
from sqlalchemy import Engine, text

from benchmarks.parts.hostile_files import hostile_files
from benchmarks.parts.report import Bar, at_most, finish
from benchmarks.parts.services import program, running, store_and_broker, wait_for
from benchmarks.parts.tiny_service import put_tiny_in_service
from benchmarks.parts.watching import pss_gib, watching
from common.store.tables import PictureChoice
from worker import jobs

CONCEPT = "http://data.europeana.eu/concept/43"
SMALLEST, LARGEST = 400, 1500  # pixels of a good picture's longer side
GOOD = "good"  # in place of the reason of a failure
LOOKS_PER_SECOND = 10
MOST_SECONDS = 240.0
MOST_MEMORY = 1.5  # GiB above the run with only good ones
FETCHING = {
    "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
    "FETCH_REQUESTS_PER_SECOND": "1000",
    "FETCH_REQUESTS_AT_A_TIME": "16",
}


@dataclass(frozen=True)
class Ended:
    """The result of one run: by file, `good` or the reason."""

    seconds: float
    peak_gib: float
    outcomes: Mapping[str, str]


def draw_good(folder: Path, count: int) -> list[str]:
    """Write JPEG files, all of them different, and return their names."""
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
    """Serve the files from another process; yields the URL."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=quiet, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().partition("(")[2].partition("/)")[0]
        finally:
            process.terminate()


def harvest(folder: Path, url: str, names: Sequence[str]) -> Ended:
    """Fetch the files of a server into a new store."""
    with store_and_broker() as engine:
        _add_records(engine, url, names)
        with engine.begin() as connection:
            for statement in _DATASET:
                connection.execute(text(statement), {"uri": CONCEPT})
        command = program("harvester", "images", "--dataset", "all", "--picture", "media")
        with running(command, FETCHING | {"IMAGE_DIR": str(folder)}) as process:
            seconds, peak = _watched(process, lambda: process.status() == psutil.STATUS_ZOMBIE)
        return Ended(seconds, peak, _found(engine, _HARVESTED))


def enrich(folder: Path, url: str, names: Sequence[str]) -> Ended:
    """Let a worker with a tiny classifier look at the files of a server."""
    with store_and_broker() as engine:
        put_tiny_in_service(engine, folder)
        _add_records(engine, url, names)
        options = jobs.JobOptions(picture=PictureChoice.MEDIA)
        job_id = jobs.enqueue(engine, [f"/1/{name}" for name in names], options).job_id
        settings = {
            "MODEL_DIR": str(folder),
            "WORKER_RUNTIME": "torch",
            "EUROPEANA_API_KEY": "none",
        }
        settings["EUROPEANA_API_URL"] = url
        with running(program("worker", "run"), FETCHING | settings) as process:
            seconds, peak = _watched(
                process, lambda: jobs.status(engine, job_id).state != "running"
            )
        return Ended(seconds, peak, dict.fromkeys(names, GOOD) | _found(engine, _FAILED))


def _watched(process: psutil.Process, is_over: Callable[[], bool]) -> tuple[float, float]:
    """The seconds until it is over, and the peak memory of the process and its children."""
    held = [pss_gib(process.pid)]
    with watching(lambda: held.append(pss_gib(process.pid)), per_second=LOOKS_PER_SECOND):
        seconds = wait_for(is_over, seconds=2 * MOST_SECONDS, every=0.2)
    return seconds, max(held)


_DATASET = (
    "INSERT INTO concept VALUES (:uri, 'map') ON CONFLICT DO NOTHING",
    "INSERT INTO dataset (name) VALUES ('all')",
    "INSERT INTO dataset_item SELECT dataset.id, record.id, :uri, 'search' FROM dataset, record",
)
_HARVESTED = f"""
    SELECT record_id, CASE state WHEN 'stored' THEN '{GOOD}' ELSE reason END FROM image
    WHERE state <> 'deferred'
"""
_FAILED = "SELECT record_id, reason FROM job_failure"


def _add_records(engine: Engine, url: str, names: Sequence[str]) -> None:
    rows = [{"id": f"/1/{name}", "url": f"{url}/{name}.jpg"} for name in names]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO record (id, media_url) VALUES (:id, :url)"), rows)


def _found(engine: Engine, query: str) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    return {str(record_id).removeprefix("/1/"): str(said) for record_id, said in rows}


@dataclass(frozen=True)
class Files:
    """The files of the server: the good names, and the hostile ones by kind and reasons."""

    good: Sequence[str]
    kinds: Mapping[str, str]
    reasons: Mapping[str, frozenset[str]]

    def mixed(self) -> list[str]:
        """The good ones with the hostile ones evenly among them, kind after kind."""
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
    search = folder / "record/v2/search.json"  # the request with which a worker checks its key
    search.parent.mkdir(parents=True)
    search.write_text('{"success": true, "itemsCount": 0, "totalResults": 0, "items": []}')
    return Files(draw_good(folder, good), kinds, reasons)


def main(
    good: Annotated[int, typer.Option(min=10)] = 1000,
    each: Annotated[int, typer.Option(min=1, help="Addresses of each hostile file.")] = 4,
) -> None:
    figures: dict[str, Any] = {}
    bars: dict[str, Bar] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = draw(folder / "files", good=good, each=each)
        with serving(folder / "files") as url:
            for who, run in (("harvester", harvest), ("worker", enrich)):
                alone = run(folder / f"{who}_alone", url, files.good)
                together = run(folder / who, url, files.mixed())
                found, limits = compared(files, alone, together)
                figures |= {f"{who}_{name}": value for name, value in found.items()}
                bars |= {f"{who}_{name}": bar for name, bar in limits.items()}
    finish(figures={"good": good, "hostile": len(files.kinds), **figures}, bars=bars)


def compared(files: Files, alone: Ended, together: Ended) -> tuple[dict[str, Any], dict[str, Bar]]:
    """The figures of a program, and their bars."""
    found, kinds = together.outcomes, files.kinds
    figures = {
        "good_missed": sum(found.get(each) != GOOD for each in files.good),
        "hostile_without_their_reason": files.without_reason(found),
        "reasons": {
            kind: sorted({found.get(name, "none") for name in kinds if kinds[name] == kind})
            for kind in dict.fromkeys(kinds.values())
        },
        "seconds_alone": round(alone.seconds, 1),
        "seconds": round(together.seconds, 1),
        "peak_gib_alone": round(alone.peak_gib, 3),
        "gib_above": round(together.peak_gib - alone.peak_gib, 3),
    }
    return figures, {
        "good_missed": at_most(0),
        "hostile_without_their_reason": at_most(0),
        "seconds": at_most(MOST_SECONDS),
        "gib_above": at_most(MOST_MEMORY),
    }


if __name__ == "__main__":
    typer.run(main)
