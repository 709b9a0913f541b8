"""What a look at a picture costs on the processor, against the commit before.

    python -m benchmarks.look_cost --before CHECKOUT [--pairs 9]

`--before` is a checkout of the older code that this environment can run. Each side has its own
worker, Postgres and Valkey. The classifier is a resnet18 at 128 pixels on torch.

`cpu_ratio` is ours over theirs in a pair, `parent_ratio` that of the worker's own process. Their
medians count; the bar on `cpu_ratio` is so near to 1 that it is missed only where the whole 95 %
interval of the median is above it.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.enrich_service import put_resnet18_in_service
from benchmarks.parts.look_pairs import KINDS
from benchmarks.parts.paired_services import SIZE, Contender, compared
from benchmarks.parts.report import Bar, at_most, finish

MODEL = f"resnet18_{SIZE}"


def main(
    before: Annotated[Path, typer.Option(exists=True, file_okay=False, resolve_path=True)],
    pairs: Annotated[int, typer.Option(min=1)] = 9,
    photographs: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 240,
    thumbnails: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 960,
) -> None:
    """Measure and report."""
    put = partial(put_resnet18_in_service, size=SIZE)
    figures = compared(
        {
            "ours": Contender(model=MODEL, put=put),
            "before": Contender(model=MODEL, put=put, checkout=before),
        },
        dict(zip(KINDS, (photographs, thumbnails), strict=True)),
        pairs=pairs,
        distinct=False,
    )
    bars: dict[str, Bar] = {}
    for kind in KINDS:
        bars[f"cpu_ratio_{kind}_low"] = at_most(1.05)
        bars[f"parent_ratio_{kind}"] = at_most(0.5)
    finish(figures=figures, bars=bars)


if __name__ == "__main__":
    typer.run(main)
