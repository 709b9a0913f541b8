"""What keeping embeddings costs on the processor: heads on an encoder against the whole network.

    python -m benchmarks.keep_cost [--pairs 9]

Both sides look at every picture and compute the same resnet18 at 128 pixels on torch. One is a
classifier, which keeps nothing. The other is an encoder with a head on it: it hashes the pictures,
asks whether they were embedded before, and keeps embeddings and what was seen. No picture comes
twice. Each side has its own worker, Postgres and Valkey.

`cpu_ratio` is keeping over not keeping in a pair. Its median counts; the bar is so near to 1 that
it is missed only where the whole 95 % interval of the median is above it.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from sqlalchemy import Engine

from benchmarks.parts.enrich_service import (
    LIMITS,
    Service,
    put_head_in_service,
    put_resnet18_in_service,
    sandbox_process,
    store_and_broker,
    worker_process,
)
from benchmarks.parts.look_pairs import KINDS, Side, draw_series, figures_of, measure
from benchmarks.parts.report import Bar, at_most, finish

SIZE = 128
SIDES = ("keeping", "without")
MODELS: dict[str, tuple[str, Callable[[Engine, Path, int], object]]] = {
    "keeping": ("head", put_head_in_service),
    "without": (f"resnet18_{SIZE}", put_resnet18_in_service),
}


def main(
    pairs: Annotated[int, typer.Option(min=1)] = 9,
    photographs: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 240,
    thumbnails: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 960,
) -> None:
    """Measure and report."""
    records = dict(zip(KINDS, (photographs, thumbnails), strict=True))
    with tempfile.TemporaryDirectory() as name, ExitStack() as exits:
        folder = Path(name)
        series = draw_series(folder, records, rounds=pairs + 1, distinct=True)
        sandbox = exits.enter_context(sandbox_process(folder))
        sides = {
            side: Side(
                service=exits.enter_context(_service(side, folder / side, *sandbox)),
                model=MODELS[side][0],
            )
            for side in SIDES
        }
        costs = measure(sides, series)
    figures: dict[str, Any] = {"pairs": pairs, **records}
    bars: dict[str, Bar] = {}
    for kind in KINDS:
        figures |= figures_of(costs, kind, SIDES)
        bars[f"cpu_ratio_{kind}_low"] = at_most(1.05)
    finish(figures=figures, bars=bars)


@contextmanager
def _service(
    side: str, folder: Path, sandbox: psutil.Process, variables: dict[str, str]
) -> Iterator[Service]:
    with store_and_broker() as engine:
        _, put_in_service = MODELS[side]
        put_in_service(engine, folder / "models", SIZE)
        environment = {
            "MODEL_DIR": str(folder / "models"),
            "WORKER_RUNTIME": "torch",
            "WORKER_DISPATCH_SECONDS": "0.5",
        }
        with worker_process(variables | LIMITS | environment) as worker:
            yield Service(engine=engine, worker=worker, sandbox=sandbox)


if __name__ == "__main__":
    typer.run(main)
