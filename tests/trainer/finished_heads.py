"""A finished cross-validation of heads on hundreds of examples, of which no picture exists."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from common.process.terminal.console import SafeConsole
from tests.trainer.embeddings import HEADS, around_means
from trainer.data.dataset import Example, TrainingData
from trainer.data.embedded import EmbeddedData
from trainer.data.prepare import assign
from trainer.experiment import Experiment
from trainer.running.head_fold import HeadAssignment, run_heads
from trainer.running.left_out import run_left_out

PROVIDERS = ("Museum of Maps", "Museum of Toys", "Attic")


def finished_heads(
    folder: Path,
    *,
    each: int = 100,
    categories: int = 4,
    by_provider: bool = False,
    giant: bool = False,
) -> Experiment:
    """Heads that tell most of the categories apart; other folds may leave out the PROVIDERS.

    With a giant, the first provider has most of the examples.
    """
    labels = np.arange(each * categories) % categories
    names = tuple(f"category {number:02}" for number in range(categories))
    data = TrainingData(
        source="dataset museum",
        kind="single",
        categories=names,
        concept_uris=tuple(f"http://data.europeana.eu/concept/{i}" for i in range(categories)),
        picture_source="thumbnail",
        examples=tuple(
            Example(
                key=f"/90101/object_{number}",
                path=folder / f"{number}.png",
                labels=(label,),
                sha256=f"{number:04x}".ljust(64, "0"),
            )
            for number, label in enumerate(labels.tolist())
        ),
    )
    settings = HEADS
    if by_provider:
        settings = HEADS.changed(folds=len(PROVIDERS))
        named = [
            replace(example, provider=PROVIDERS[place if place < len(PROVIDERS) else 0])
            for number, example in enumerate(data.examples)
            for place in [number // categories % (10 if giant else 5) % (10 if giant else 3)]
        ]
        data = replace(data, examples=tuple(named))
    experiment = Experiment(folder / "experiments", "heads")
    assigned = assign(data, np.arange(len(labels)), settings, SafeConsole(quiet=True))
    experiment.begin(settings, data)
    experiment.write_splits(data, assigned.folds)
    ready = EmbeddedData(data=data, embeddings=around_means(labels))
    assignment = HeadAssignment.of(ready, assigned, settings, experiment)
    run_left_out(assignment, SafeConsole(quiet=True))
    list(run_heads(range(settings.folds), assignment))
    return experiment
