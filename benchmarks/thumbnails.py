"""What a thumbnail costs on the processor until it is a square, against the commit before.

    python -m benchmarks.thumbnails --before CHECKOUT [--pairs 9] [--thumbnails 600]

`--before` is a checkout of the older code that this environment can run. Both sides decode and
resize the same thumbnails, in turn, each time in a process of its own; the time of decoders'
processes counts. Beside it: how far apart the pixels are, in grey levels, and how often an
untrained resnet18 says the same of both.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from PIL import Image

from benchmarks.parts.picture_files import draw_pictures
from benchmarks.parts.report import Bar, at_least, at_most, finish
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.served import Normalisation

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "benchmarks" / "parts" / "thumbnail_cost.py"
SIDES = (128, 224)
LONGER_SIDE = 400  # pixels of a thumbnail, as Europeana has them
CLASSES = 20

_Squares = npt.NDArray[np.uint8]


def draw_thumbnails(folder: Path, count: int) -> Path:
    """JPEGs of pictures of different sizes, as Europeana makes thumbnails of them."""
    thumbnails = folder / "thumbnails"
    thumbnails.mkdir()
    for path in draw_pictures(folder / "pictures", count, megapixels=(0.3, 1.0)):
        with Image.open(path) as image:
            image.thumbnail((LONGER_SIDE, 2 * LONGER_SIDE))
            image.save(thumbnails / path.name, quality=85)
    return thumbnails


def measured(checkout: Path, folder: Path, side: int, out: Path) -> float:
    """Milliseconds of the processor a thumbnail."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", str(SCRIPT), str(folder), str(side), str(out)]
    done = subprocess.run(
        command, env=environment, cwd=checkout, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def decisions(squares: _Squares) -> _Squares:
    """The class that an untrained network says of each square, (n,)."""
    torch.manual_seed(0)
    network = build_classifier("resnet18", classes=CLASSES).eval()
    normalised = Normalisation(Preprocessing(size=squares.shape[-1]))
    with torch.inference_mode():
        said = [
            network(normalised(torch.from_numpy(part))).argmax(dim=1)
            for part in np.array_split(squares, -(-len(squares) // 64))
        ]
    return torch.cat(said).numpy().astype(np.uint8)


def compared(before: Path, thumbnails: Path, side: int, pairs: int) -> dict[str, Any]:
    """The figures at one size."""
    sides = {"before": before, "ours": REPOSITORY}
    milliseconds: dict[str, list[float]] = {name: [] for name in sides}
    outs = {name: thumbnails.parent / f"{name}_{side}.npy" for name in sides}
    for _ in range(pairs):
        for name, checkout in sides.items():
            milliseconds[name].append(measured(checkout, thumbnails, side, outs[name]))
    ratios = [
        ours / theirs
        for ours, theirs in zip(milliseconds["ours"], milliseconds["before"], strict=True)
    ]
    squares = {name: np.load(out) for name, out in outs.items()}
    apart = np.abs(squares["ours"].astype(np.int16) - squares["before"]).mean()
    alike = (decisions(squares["ours"]) == decisions(squares["before"])).mean()
    return {
        f"milliseconds_{side}": round(median(milliseconds["ours"]), 3),
        f"milliseconds_before_{side}": round(median(milliseconds["before"]), 3),
        f"cpu_ratio_{side}": round(median(ratios), 3),
        f"grey_levels_apart_{side}": round(float(apart), 4),
        f"same_decisions_{side}": round(float(alike), 4),
    }


def main(
    before: Annotated[Path, typer.Option(exists=True, file_okay=False, resolve_path=True)],
    pairs: Annotated[int, typer.Option(min=1)] = 9,
    thumbnails: Annotated[int, typer.Option(min=16)] = 600,
) -> None:
    """Measure and report."""
    figures: dict[str, Any] = {"pairs": pairs, "thumbnails": thumbnails}
    bars: dict[str, Bar] = {}
    with tempfile.TemporaryDirectory() as name:
        drawn = draw_thumbnails(Path(name), thumbnails)
        for side in SIDES:
            figures |= compared(before, drawn, side, pairs)
            bars[f"cpu_ratio_{side}"] = at_most(0.6)
            bars[f"grey_levels_apart_{side}"] = at_most(1)
            bars[f"same_decisions_{side}"] = at_least(0.995)
    finish(figures=figures, bars=bars)


if __name__ == "__main__":
    typer.run(main)
