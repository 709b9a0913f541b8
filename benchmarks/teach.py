"""Teaching: how much fifty and a hundred verdicts bring to a museum that was never seen.

    python -m benchmarks.teach [--draws 30]

It needs ../shared, which is not part of the repository.

Each of three museums in turn is the unseen one: heads on a MobileNetV2 learn from the other two.
Verdicts are simulated from the labels of its catalogue: right, or wrong with the right concept.
They go into a real store as the desk keeps them, and teach as the teacher lets them. Accuracies are
those on the museum's records that were not judged; each draw judges other records, at random as
the desk draws them.

The labels are keywords, wrong here and there, which caps the accuracies. The grid of weights was
chosen on these museums, so the figures flatter it a little.
"""

import sys
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from benchmarks.parts.museums import MuseumStore, museum_store
from benchmarks.parts.photographs import missing
from benchmarks.parts.report import at_least, finish
from benchmarks.parts.simulated_verdicts import COUNTS, draw


def accuracies(place: MuseumStore, draws: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"start": {}, "by_museum": {}}
    means: dict[str, list[float]] = {}
    for museum in place.museums:
        said = museum.base.heads.probabilities(museum.embeddings).argmax(axis=1)
        figures["start"][museum.name] = round(float((said == museum.labels).mean()), 4)
        runs = [draw(place, museum, seed) for seed in range(draws)]
        for count in COUNTS:
            mean = fmean(run[count].on_others for run in runs)
            means.setdefault(f"random_{count}", []).append(mean)
        shown = {name: round(values[-1], 4) for name, values in means.items()}
        sys.stderr.write(f"{museum.name}: {figures['start'][museum.name]} {shown}\n")
        figures["by_museum"][museum.name] = shown
    figures["start"]["mean"] = round(fmean(figures["start"].values()), 4)
    return figures | {f"accuracy_{name}": round(fmean(each), 4) for name, each in means.items()}


def main(
    draws: Annotated[int, typer.Option(min=1, help="Of verdicts, for each museum.")] = 30,
) -> None:
    if absent := missing():
        typer.echo(f"skipped: there is no {absent}")
        return
    with tempfile.TemporaryDirectory() as name, museum_store(Path(name)) as place:
        figures = accuracies(place, draws)
    bars = {"accuracy_random_50": at_least(0.71), "accuracy_random_100": at_least(0.735)}
    finish(figures={"draws": draws} | figures, bars=bars)


if __name__ == "__main__":
    typer.run(main)
