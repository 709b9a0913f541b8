"""A card in ten minutes: how exact and fast it is, and how busy jobs and trainings keep it.

    python -m benchmarks.on_card [--bundle FOLDER ...] [--smoke]

Without a card it prints this and ends with 0. `--smoke` runs all except CUDA graphs on the CPU, on
a small scale, to show that it runs; then no bar applies. It uses only the first card. Bundles are
promoted models; the other networks have random weights, and all pictures and local thumbnails are
generated.

- `probability_off_NAME`, `heatmap_off_NAME`: the difference to those at promotion, and to those of
  the CPU.
- `rate_NAME`: pictures per second of our runtime from host memory to rows, all lanes, at the
  largest batch; `times_eager_NAME` is this over plain PyTorch in mixed precision with the same
  copies.
- `busy_1`, `busy_4`: the rate of one or four workers on local thumbnails over that of the runtime
  alone.
- `folds_1`, `folds_4`: pictures per second of one or four trainings at once, in sum;
  `times_plain_loop` is the latter over a plain loop with a DataLoader.
- The gain of designs that are not built: `graph_NAME` is the network in a CUDA graph, `kept_NAME`
  pictures that are already on the card, `times_four_folds` several folds by default, and
  `one_process_at_most` a process that computes for several workers.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer

from benchmarks.parts.card_rates import draw_bundle, precision, rates
from benchmarks.parts.card_training import CardLesson
from benchmarks.parts.enrich_local import LocalAssignment
from benchmarks.parts.picture_files import draw_pictures
from benchmarks.parts.report import at_least, finish
from benchmarks.parts.services import REPOSITORY
from common.process.cores import switch_threads_often
from common.vision.runtimes.devices import count_cards, pick_device
from common.vision.saved_model import bundle_sha256, load_bundle

THUMBNAIL = (0.12, 0.16)  # megapixels: 400 px wide
FILES = 256  # generated files
BARS = {"busy_4": at_least(0.9), "times_plain_loop": at_least(2)}


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The extent of the measurement; the last of the architectures is that of the job."""

    architectures: Sequence[str]
    size: int
    seconds: float  # for each rate
    thumbnails: int  # of a worker's job
    lesson: CardLesson


WHOLE = Extent(
    architectures=("resnet18", "convnext_tiny", "vit_b_16"),
    size=224,
    seconds=5.0,
    thumbnails=12_000,
    lesson=CardLesson(architecture="resnet18", pictures=8_192, size=128, batch=32, epochs=4),
)
SMALL = Extent(
    architectures=("shufflenet_v2_x0_5",),
    size=64,
    seconds=0.2,
    thumbnails=32,
    lesson=CardLesson(architecture="shufflenet_v2_x0_5", pictures=64, size=32, batch=16, epochs=2),
)


def networks(
    extent: Extent, bundles: Sequence[Path], folder: Path, device: torch.device
) -> dict[str, float]:
    """How exact the models are, and how fast those with random weights are."""
    figures: dict[str, float] = {}
    for name in extent.architectures:
        draw_bundle(folder / name, name, extent.size)
    for bundle in (*(folder / name for name in extent.architectures), *bundles):
        model = load_bundle(bundle, bundle_sha256(bundle))
        found = precision(model, device, folder / "cache")
        if bundle.parent == folder:
            found |= rates(model, device, extent.seconds)
        figures |= {f"{figure}_{bundle.name}": value for figure, value in found.items()}
    return figures


def jobs(extent: Extent, folder: Path) -> dict[str, float]:
    """The rate of workers on local thumbnails, compared with the runtime alone."""
    bundle = folder / extent.architectures[-1]
    files = draw_pictures(folder / "images", FILES, megapixels=THUMBNAIL)
    assignment = LocalAssignment(
        pictures=tuple(str(files[number % FILES]) for number in range(extent.thumbnails)),
        size=extent.size,
        bundle=str(bundle),
        sha256=bundle_sha256(bundle),
        runtime="torch",
        cache_dir=str(folder / "cache"),
    )
    given = json.dumps(asdict(assignment))
    alone = together("enrich_clients", "model", given, count=1)
    one, four = (together("enrich_clients", "ours", given, count=count) for count in (1, 4))
    return {"busy_1": one / alone, "busy_4": four / alone, "one_process_at_most": alone / four}


def trainings(lesson: CardLesson) -> dict[str, float]:
    """One and four trainings at once, and a plain loop."""
    given = json.dumps(asdict(lesson))
    plain = together("card_training", "plain", given, count=1)
    one, four = (together("card_training", "ours", given, count=count) for count in (1, 4))
    return {
        "plain_loop": plain,
        "folds_1": one,
        "folds_4": four,
        "times_plain_loop": four / plain,
        "times_four_folds": four / one,
    }


def together(module: str, client: str, given: str, *, count: int) -> float:
    """Pictures per second, in sum, of `count` clients at once, each in its own process."""
    program = [sys.executable, "-m", f"benchmarks.parts.{module}", client]
    with TemporaryDirectory() as folder:
        told = Path(folder) / "given.json"
        told.write_text(given, encoding="utf-8")
        started = []
        for _ in range(count):
            with told.open() as text:
                pipe = subprocess.PIPE
                process = subprocess.Popen(program, cwd=REPOSITORY, stdin=text, stdout=pipe)
                started.append(process)
        said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{module} {client} failed")
    ended = [json.loads(each.splitlines()[-1]) for each in said]
    return float(sum(each["pictures"] / each["seconds"] for each in ended))


def main(
    bundle: Annotated[list[Path] | None, typer.Option(exists=True, file_okay=False)] = None,
    smoke: Annotated[
        bool, typer.Option(help="Run on the CPU, on a small scale, without bars.")
    ] = False,
) -> None:
    if smoke:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # of all processes
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    if not smoke and not count_cards():
        finish(figures={"skipped": "there is no card; --smoke runs on the CPU"}, bars={})
    switch_threads_often()
    torch.set_num_threads(1)  # as in a worker
    extent, device = SMALL if smoke else WHOLE, pick_device()
    with TemporaryDirectory() as folder:
        figures = networks(extent, bundle or [], Path(folder), device)
        figures |= jobs(extent, Path(folder)) | trainings(extent.lesson)
    rounded = {name: float(f"{value:.4g}") for name, value in figures.items()}
    if smoke:
        finish(figures={"card": "none", **rounded}, bars={})
    eager = {f"times_eager_{name}": at_least(1) for name in extent.architectures}
    card = torch.cuda.get_device_name(device)
    finish(figures={"card": card, **rounded}, bars=BARS | eager)


if __name__ == "__main__":
    typer.run(main)
