"""`trainer evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.process.terminal.console import SafeConsole
from trainer.commands.options import (
    DataDir,
    DatasetName,
    ModelReference,
    labelled_pictures,
    open_model,
)

if TYPE_CHECKING:
    from trainer.scoring.evaluate import Evaluation


def evaluate(
    model: ModelReference,
    name: DatasetName = None,
    data_dir: DataDir = None,
    vocab_json: Annotated[
        Path | None,
        typer.Option(help="Concepts of the folders, if their names are not the model's labels."),
    ] = None,
) -> None:
    """Score a model on labelled pictures that it was not trained on, and check its promise.

    Tables go to standard error, one JSON object to standard output.

    Example: trainer evaluate pilot@2 --data-dir held_back > scores.json
    """
    from common.europeana.vocabulary import load_vocabulary
    from common.vision.runtimes import TorchRuntime
    from trainer.scoring.evaluate import evaluate as evaluate_model
    from trainer.scoring.evaluate import evaluation_tables

    opened = open_model(model)
    description = opened.model.description
    own = dict(zip(description.labels, description.concept_uris, strict=True))
    vocabulary = load_vocabulary(vocab_json) if vocab_json else own
    data = labelled_pictures(
        name, data_dir, vocabulary=vocabulary, kind=description.kind, option="--name"
    )
    runtime = TorchRuntime(opened.model.served)
    compute = opened.model.answers_by(runtime.rows)
    scores = evaluate_model(description, data, compute, batch_size=runtime.batch_size)
    console = SafeConsole(stderr=True)
    for table in evaluation_tables(scores):
        console.print(table)
    _print_written(scores, console)
    typer.echo(json.dumps({"model": opened.title, **scores.to_json()}))


def _print_written(scores: "Evaluation", console: SafeConsole) -> None:
    """Print what is written, and whether that keeps the promise."""
    from trainer.scoring.thresholds import effect_table

    check = scores.promise_check
    lines = [f"left out: {len(part.keys):,} x {part.reason}" for part in scores.left_out]
    if check is None:
        console.print(effect_table(scores.effects, title="What is written at the thresholds"))
        lines.append("The model is of an older version, and has no promise to compare with.")
    else:
        console.print(check.table())
        lines += [
            *check.promise.in_words(),
            f"Unlike all that the model learned from, so without a concept: {scores.unlike:,} of "
            f"{scores.metrics.examples:,} pictures.",
            *filter(None, [check.about_strangers()]),
            check.ending(),
        ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
