"""What abstention costs on the processor: a model that abstains against one that answers to all.

    python -m benchmarks.abstention_cost [--pairs 9]

Both sides look at every picture with the same encoder, a resnet18 at 128 pixels, and the same head
on it. One compares each picture with as many pictures as a model may keep, and finds none unlike.

`cpu_ratio` is abstaining over answering in a pair. Its median counts; the bar is so near to 1 that
it is missed only where the whole 95 % interval of the median is above it.
"""

from functools import partial
from typing import Annotated

import numpy as np
import typer

from benchmarks.parts.enrich_service import put_head_in_service
from benchmarks.parts.look_pairs import KINDS
from benchmarks.parts.paired_services import SIZE, Contender, compared
from benchmarks.parts.report import at_most, finish
from common.vision.answers.heads import halved
from common.vision.answers.likeness import Likeness, most_references

DIMENSION = 512  # of a resnet18


def drawn_likeness() -> Likeness:
    """Drawn references, and a limit that every picture reaches."""
    shape = (most_references(DIMENSION), DIMENSION)
    drawn = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return Likeness.of(halved(drawn), least=-1.0)


def main(
    pairs: Annotated[int, typer.Option(min=1)] = 9,
    photographs: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 240,
    thumbnails: Annotated[int, typer.Option(min=16, help="Records of a run.")] = 960,
) -> None:
    """Measure and report."""
    likeness = drawn_likeness()
    figures = compared(
        {
            "abstaining": Contender(
                model="head", put=partial(put_head_in_service, size=SIZE, likeness=likeness)
            ),
            "answering": Contender(model="head", put=partial(put_head_in_service, size=SIZE)),
        },
        dict(zip(KINDS, (photographs, thumbnails), strict=True)),
        pairs=pairs,
        distinct=True,
    )
    finish(figures=figures, bars={f"cpu_ratio_{kind}_low": at_most(1.05) for kind in KINDS})


if __name__ == "__main__":
    typer.run(main)
