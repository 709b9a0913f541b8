"""What keeping embeddings costs on the processor: heads on an encoder against the whole network.

    python -m benchmarks.keep_cost [--pairs 9]

Both sides look at every picture and compute the same resnet18 at 128 pixels on torch. One is a
classifier, which keeps nothing. The other is an encoder with a head on it: it hashes the pictures,
asks whether they were embedded before, and keeps embeddings and what was seen. No picture comes
twice. Each side has its own worker, Postgres and Valkey.

`cpu_ratio` is keeping over not keeping in a pair. Its median counts; the bar is so near to 1 that
it is missed only where the whole 95 % interval of the median is above it.
"""

from functools import partial
from typing import Annotated

import typer

from benchmarks.parts.enrich_service import put_head_in_service, put_resnet18_in_service
from benchmarks.parts.look_pairs import KINDS
from benchmarks.parts.paired_services import SIZE, Contender, compared
from benchmarks.parts.report import at_most, finish


def main(
    pairs: Annotated[int, typer.Option(min=1)] = 9,
    photographs: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 240,
    thumbnails: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 960,
) -> None:
    """Measure and report."""
    network = partial(put_resnet18_in_service, size=SIZE)
    figures = compared(
        {
            "keeping": Contender(model="head", put=partial(put_head_in_service, size=SIZE)),
            "without": Contender(model=f"resnet18_{SIZE}", put=network),
        },
        dict(zip(KINDS, (photographs, thumbnails), strict=True)),
        pairs=pairs,
        distinct=True,
    )
    finish(figures=figures, bars={f"cpu_ratio_{kind}_low": at_most(1.05) for kind in KINDS})


if __name__ == "__main__":
    typer.run(main)
