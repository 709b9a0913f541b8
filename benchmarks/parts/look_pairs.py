"""Looks at pictures in pairs: two services do the same work in turn, and their processor time is
counted.

Records show photographs of 0.3 to 12 megapixels, or thumbnails of 400 pixels. Both services ask the
same sandbox, and while one works, the worker of the other is stopped. Counted are the CPU seconds
of the worker, its decoders, Postgres and Valkey; the sandbox is the world outside.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from PIL import Image

from benchmarks.parts.enrich_service import Service
from benchmarks.parts.picture_files import Series, draw_pictures, write_catalogue
from benchmarks.parts.rounds import interval_of_median

KINDS = ("photographs", "thumbnails")
THUMBNAIL = 400  # pixels, the longer side
FILES = 120
HOSTS = tuple(f"museum{number:02}.example" for number in range(1, 21))


@dataclass(frozen=True, kw_only=True)
class LookCost:
    """Milliseconds of the processor for a picture."""

    parent: float
    everything: float


@dataclass(frozen=True, kw_only=True)
class Side:
    """A service, and the model that its looks are for."""

    service: Service
    model: str


Costs = dict[tuple[str, str], list[LookCost]]
"""By kind of pictures and by side, a pair a place."""


def draw_series(
    folder: Path, records: dict[str, int], *, rounds: int, distinct: bool = False
) -> dict[str, list[Series]]:
    """The records of each kind, a series a round; the first is there to warm up.

    Args:
        distinct: whether each record shows a file of its own, which differs in its last bytes.
    """
    sys.stderr.write("drawing pictures\n")
    paths = {"photographs": draw_pictures(folder / "images", FILES)}
    paths["thumbnails"] = [_thumbnail(path) for path in paths["photographs"]]
    series = {
        kind: [Series(dataset=f"{n}_{kind}", records=count, hosts=HOSTS) for n in range(rounds)]
        for kind, count in records.items()
    }
    catalogue = folder / "catalog.jsonl"
    lines = []
    for kind, several in series.items():
        for each in several:
            files = _copies(paths[kind], each) if distinct else paths[kind]
            write_catalogue(folder, files, [each])
            lines.append(catalogue.read_text(encoding="utf-8"))
    catalogue.write_text("".join(lines), encoding="utf-8")
    return series


def _copies(paths: list[Path], series: Series) -> list[Path]:
    """A file for each record; what follows the end of a JPEG makes it another one."""
    copies = []
    for number in range(series.records):
        path = paths[number % len(paths)]
        copy = path.with_stem(f"{series.dataset}_{number}")
        copy.write_bytes(path.read_bytes() + copy.stem.encode())
        copies.append(copy)
    return copies


def _thumbnail(photograph: Path) -> Path:
    path = photograph.with_stem(f"{photograph.stem}_{THUMBNAIL}")
    with Image.open(photograph) as image:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        image.save(path, quality=85)
    return path


def measure(sides: dict[str, Side], series: dict[str, list[Series]]) -> Costs:
    """Let both sides work on each series; the first of a kind warms up and does not count."""
    costs: Costs = defaultdict(list)
    workers = [side.service.worker for side in sides.values()]
    for kind, rounds in series.items():
        for number, each in enumerate(rounds):
            for name in list(sides)[:: 1 if number % 2 else -1]:
                with _stopped(worker for worker in workers if worker != sides[name].service.worker):
                    cost = _look(sides[name], each)
                sys.stderr.write(f"  {kind} {number} {name} {cost}\n")
                if number:
                    costs[kind, name].append(cost)
    return costs


@contextmanager
def _stopped(workers: Iterable[psutil.Process]) -> Iterator[None]:
    stopped = list(workers)
    for worker in stopped:
        worker.suspend()
    try:
        yield
    finally:
        for worker in stopped:
            worker.resume()


def _look(side: Side, series: Series) -> LookCost:
    ended = side.service.run(series.ids(), model=side.model)
    milliseconds = {name: 1000 * each / ended.pictures for name, each in ended.cpu_seconds.items()}
    del milliseconds["sandbox"]
    return LookCost(parent=milliseconds["worker"], everything=sum(milliseconds.values()))


def figures_of(costs: Costs, kind: str, sides: tuple[str, str]) -> dict[str, Any]:
    """What both sides cost, and the first side over the second: its median and interval."""
    pairs = list(zip(*(costs[kind, side] for side in sides), strict=True))
    ratios = [ours.everything / theirs.everything for ours, theirs in pairs]
    low, high = interval_of_median(ratios)
    figures: dict[str, Any] = {}
    for side in sides:
        figures[f"cpu_ms_{kind}_{side}"] = _rounded([c.everything for c in costs[kind, side]])
        figures[f"parent_ms_{kind}_{side}"] = _rounded([c.parent for c in costs[kind, side]])
    return figures | {
        f"cpu_ratio_{kind}": _rounded(ratios),
        f"cpu_ratio_{kind}_low": low,
        f"cpu_ratio_{kind}_high": high,
        f"parent_ratio_{kind}": _rounded([a.parent / b.parent for a, b in pairs]),
    }


def _rounded(values: list[float]) -> float:
    return round(median(values), 4)
