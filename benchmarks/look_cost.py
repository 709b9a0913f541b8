"""What a look at a picture costs on the processor, against the commit before.

    python -m benchmarks.look_cost --before CHECKOUT [--pairs 9]

`--before` is a checkout of the older code that this environment can run. Each side has its own
worker, Postgres and Valkey. The classifier is a resnet18 at 128 pixels on torch.

`cpu_ratio` is ours over theirs in a pair, `parent_ratio` that of the worker's own process. Their
medians count; the bar on `cpu_ratio` is so near to 1 that it is missed only where the whole 95 %
interval of the median is above it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from benchmarks.parts.enrich_service import (
    LIMITS,
    REPOSITORY,
    Service,
    put_resnet18_in_service,
    sandbox_process,
    store_and_broker,
    worker_process,
)
from benchmarks.parts.look_pairs import KINDS, Side, draw_series, figures_of, measure
from benchmarks.parts.report import Bar, at_most, finish

SIZE = 128
MODEL = f"resnet18_{SIZE}"
SIDES = ("ours", "before")


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
        series = draw_series(folder, records, rounds=pairs + 1)
        sandbox = exits.enter_context(sandbox_process(folder))
        sides = {
            name: Side(
                service=exits.enter_context(_service(checkout, folder / name, *sandbox)),
                model=MODEL,
            )
            for name, checkout in checkouts.items()
        }
        costs = measure(sides, series)
    figures: dict[str, Any] = {"pairs": pairs, **records}
    bars: dict[str, Bar] = {}
    for kind in KINDS:
        figures |= figures_of(costs, kind, SIDES)
        bars[f"cpu_ratio_{kind}_low"] = at_most(1.05)
        bars[f"parent_ratio_{kind}"] = at_most(0.5)
    finish(figures=figures, bars=bars)


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


if __name__ == "__main__":
    typer.run(main)
