"""What decoding thumbnails and making squares of them costs, with the code of some checkout.

    python benchmarks/parts/thumbnail_cost.py FOLDER SIDE OUT    with PYTHONPATH at the checkout

Prints the processor's milliseconds a thumbnail, those of decoders' processes included, and writes
the squares to OUT as an array (n, 3, SIDE, SIDE) of uint8.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from common.vision.preprocessing import Preprocessing

TICK = 1 / os.sysconf("SC_CLK_TCK")
ROUNDS = 3
_Squared = Callable[[bytes], torch.Tensor]


@contextmanager
def squaring(preprocessing: Preprocessing) -> Iterator[_Squared]:
    """What makes a square of a thumbnail: in a decoder's process, or in this one as once."""
    if not hasattr(Preprocessing, "from_pixels"):  # before there were decoders
        from common.images.decode import decode  # type: ignore[import-not-found]

        side = preprocessing.size
        yield lambda content: preprocessing.to_uint8(decode(content, shorter_side=side).image)
        return
    from common.pictures.decoders import Decoders

    with Decoders(1) as decoders:
        square, make = preprocessing.square, preprocessing.from_pixels
        yield lambda content: decoders.pixels(content, square, make)


def processor_seconds() -> float:
    """Of this process and its children, ended or not."""
    children = Path("/proc/self/task").glob("*/children")
    pids = ["self", *(pid for path in children for pid in path.read_text().split())]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) * TICK


def main(folder: Path, side: int, out: Path) -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    contents = [path.read_bytes() for path in sorted(folder.iterdir())]
    with squaring(Preprocessing(size=side)) as squared:
        squares = [squared(content) for content in contents]
        before = processor_seconds()
        for _ in range(ROUNDS):
            for content in contents:
                squared(content)
        used = processor_seconds() - before
    np.save(out, torch.stack(squares).numpy())
    sys.stdout.write(f"{1000 * used / (ROUNDS * len(contents))}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
