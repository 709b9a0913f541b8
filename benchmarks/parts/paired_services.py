"""Two services side by side, each with worker, store and broker: what looks cost on both."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine

from benchmarks.parts.enrich_service import (
    LIMITS,
    REPOSITORY,
    Service,
    sandbox_process,
    store_and_broker,
    worker_process,
)
from benchmarks.parts.look_pairs import KINDS, Side, draw_series, figures_of, measure

SIZE = 128  # pixels, of the models


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A side: the name of its model, what puts it in service, and the code that runs it."""

    model: str
    put: Callable[[Engine, Path], object]
    checkout: Path = REPOSITORY


def compared(
    contenders: dict[str, Contender], records: dict[str, int], *, pairs: int, distinct: bool
) -> dict[str, Any]:
    """The figures of looks at so many records of each kind, the first contender over the second.

    Args:
        distinct: whether no picture comes twice.
    """
    first, second = contenders
    with tempfile.TemporaryDirectory() as name, ExitStack() as exits:
        folder = Path(name)
        series = draw_series(folder, records, rounds=pairs + 1, distinct=distinct)
        sandbox = exits.enter_context(sandbox_process(folder))
        sides = {
            side: Side(
                service=exits.enter_context(_service(each, folder / side, *sandbox)),
                model=each.model,
            )
            for side, each in contenders.items()
        }
        costs = measure(sides, series)
    figures: dict[str, Any] = {"pairs": pairs, **records}
    for kind in KINDS:
        figures |= figures_of(costs, kind, (first, second))
    return figures


@contextmanager
def _service(
    contender: Contender, folder: Path, sandbox: psutil.Process, variables: dict[str, str]
) -> Iterator[Service]:
    with store_and_broker(contender.checkout) as engine:
        contender.put(engine, folder / "models")
        environment = {
            "MODEL_DIR": str(folder / "models"),
            "WORKER_CACHE_DIR": str(folder / "exports"),
            "WORKER_RUNTIME": "torch",
            "WORKER_ASK_SECONDS": "0.5",
            "WORKER_DISPATCH_SECONDS": "0.5",  # the same, before 0013
        }
        with worker_process(variables | LIMITS | environment, contender.checkout) as worker:
            yield Service(engine=engine, worker=worker, sandbox=sandbox)
