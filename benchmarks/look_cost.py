"""What a look at a picture costs on the processor, against the commit before.

    python -m benchmarks.look_cost --before CHECKOUT [--pairs 9]

`--before` is a checkout of the older code that this environment can run. Each side has its own
worker, Postgres and Valkey; both ask the same sandbox, and while one works, in turn, the worker of
the other is stopped. The classifier is a resnet18 at 128 pixels on torch. Records show photographs
of 0.3 to 12 megapixels, or thumbnails of 400 pixels.

Counted are the CPU seconds of the worker, its decoders, Postgres and Valkey; the sandbox is the
world outside. `cpu_ratio` is ours over theirs in a pair, `parent_ratio` that of the worker's own
process. Their medians count; the bar on `cpu_ratio` is so near to 1 that it is missed only where
the whole 95 % interval of the median is above it.
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from math import comb
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import psutil
import typer
from PIL import Image

from benchmarks.parts.enrich_service import (
    LIMITS,
    REPOSITORY,
    Service,
    put_resnet18_in_service,
    sandbox_process,
    store_and_broker,
    worker_process,
)
from benchmarks.parts.picture_files import Series, draw_pictures, write_catalogue
from benchmarks.parts.report import Bar, at_most, finish

SIZE = 128
MODEL = f"resnet18_{SIZE}"
KINDS = ("photographs", "thumbnails")
THUMBNAIL = 400  # pixels, the longer side
FILES = 120
HOSTS = tuple(f"museum{number:02}.example" for number in range(1, 21))
SIDES = ("ours", "before")
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class LookCost:
    """Milliseconds of the processor for a picture."""

    parent: float
    everything: float


def main(
    before: Annotated[Path, typer.Option(exists=True, file_okay=False, resolve_path=True)],
    pairs: Annotated[int, typer.Option(min=1)] = 9,
    photographs: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 240,
    thumbnails: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 960,
) -> None:
    """Measure and report."""
    records = dict(zip(KINDS, (photographs, thumbnails), strict=True))
    checkouts = dict(zip(SIDES, (REPOSITORY, before), strict=True))
    with tempfile.TemporaryDirectory() as name, ExitStack() as exits:
        folder = Path(name)
        series = _draw(folder, records, rounds=pairs + 1)
        sandbox = exits.enter_context(sandbox_process(folder))
        services = {
            side: exits.enter_context(_service(checkout, folder / side, *sandbox))
            for side, checkout in checkouts.items()
        }
        costs = _measure(services, series)
    _report(costs, pairs=pairs, **records)


def _draw(folder: Path, records: dict[str, int], *, rounds: int) -> dict[str, list[Series]]:
    """The records of each kind, a series a round; the first is there to warm up."""
    sys.stderr.write("drawing pictures\n")
    paths = {"photographs": draw_pictures(folder / "images", FILES)}
    paths["thumbnails"] = [_thumbnail(path) for path in paths["photographs"]]
    series = {
        kind: [Series(dataset=f"{n}_{kind}", records=count, hosts=HOSTS) for n in range(rounds)]
        for kind, count in records.items()
    }
    catalogue = folder / "catalog.jsonl"
    lines = []
    for kind, each in series.items():
        write_catalogue(folder, paths[kind], each)
        lines.append(catalogue.read_text(encoding="utf-8"))
    catalogue.write_text("".join(lines), encoding="utf-8")
    return series


def _thumbnail(photograph: Path) -> Path:
    path = photograph.with_stem(f"{photograph.stem}_{THUMBNAIL}")
    with Image.open(photograph) as image:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        image.save(path, quality=85)
    return path


@contextmanager
def _service(
    checkout: Path, folder: Path, sandbox: psutil.Process, variables: dict[str, str]
) -> Iterator[Service]:
    """The service as the code in a checkout has it, with a store and a broker of its own."""
    with store_and_broker(checkout) as engine:
        put_resnet18_in_service(engine, folder / "models", SIZE)
        environment = {
            "MODEL_DIR": str(folder / "models"),
            "WORKER_CACHE_DIR": str(folder / "exports"),
            "WORKER_RUNTIME": "torch",
            "WORKER_DISPATCH_SECONDS": "0.5",
        }
        with worker_process(variables | LIMITS | environment, checkout) as worker:
            yield Service(engine=engine, worker=worker, sandbox=sandbox)


def _measure(
    services: dict[str, Service], series: dict[str, list[Series]]
) -> dict[tuple[str, str], list[LookCost]]:
    costs: dict[tuple[str, str], list[LookCost]] = defaultdict(list)
    workers = [service.worker for service in services.values()]
    for kind, rounds in series.items():
        for number, each in enumerate(rounds):
            for side in SIDES[:: 1 if number % 2 else -1]:
                with _stopped(worker for worker in workers if worker != services[side].worker):
                    cost = _look(services[side], each)
                sys.stderr.write(f"  {kind} {number} {side} {cost}\n")
                if number:
                    costs[kind, side].append(cost)
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


def _look(service: Service, series: Series) -> LookCost:
    ended = service.run(series.ids(), model=MODEL)
    milliseconds = {name: 1000 * each / ended.pictures for name, each in ended.cpu_seconds.items()}
    del milliseconds["sandbox"]
    return LookCost(parent=milliseconds["worker"], everything=sum(milliseconds.values()))


def _report(costs: dict[tuple[str, str], list[LookCost]], **parameters: int) -> None:
    figures: dict[str, Any] = dict(parameters)
    bars: dict[str, Bar] = {}
    for kind in KINDS:
        pairs = list(zip(*(costs[kind, side] for side in SIDES), strict=True))
        ratios = [ours.everything / theirs.everything for ours, theirs in pairs]
        for side in SIDES:
            figures[f"cpu_ms_{kind}_{side}"] = _rounded([c.everything for c in costs[kind, side]])
            figures[f"parent_ms_{kind}_{side}"] = _rounded([c.parent for c in costs[kind, side]])
        figures[f"cpu_ratio_{kind}"] = _rounded(ratios)
        low, high = interval_of_median(ratios)
        figures[f"cpu_ratio_{kind}_low"], figures[f"cpu_ratio_{kind}_high"] = low, high
        figures[f"parent_ratio_{kind}"] = _rounded([a.parent / b.parent for a, b in pairs])
        bars[f"cpu_ratio_{kind}_low"] = at_most(1.05)
        bars[f"parent_ratio_{kind}"] = at_most(0.5)
    finish(figures=figures, bars=bars)


def interval_of_median(values: list[float]) -> tuple[float, float]:
    """Between which two of the values the median of their population lies, at CONFIDENCE.

    The number of values below the median is binomial; with fewer than six values no two of them
    are far enough apart, and the interval is that from the least to the largest.
    """
    ordered, count = sorted(values), len(values)
    chances = (sum(comb(count, k) for k in range(n + 1)) / 2**count for n in range(count))
    outside = sum(1 for _ in takewhile(lambda chance: 2 * chance <= 1 - CONFIDENCE, chances))
    place = max(0, outside - 1)
    return round(ordered[place], 4), round(ordered[-1 - place], 4)


def _rounded(values: list[float]) -> float:
    return round(median(values), 4)


if __name__ == "__main__":
    typer.run(main)
