"""`trainer evaluate`."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from trainer.commands.options import (
    DataDir,
    Labelled,
    ModelReference,
    labelled_pictures,
    open_model,
)
from trainer.commands.printing import print_line, print_listing, warn
from trainer.scoring.evaluation import Evaluation, ModelScores

if TYPE_CHECKING:
    from trainer.data.dataset import TrainingData
    from trainer.models.registry import OpenModel


@prints(ModelScores)
def evaluate(
    model: ModelReference,
    dataset: Labelled = None,
    data_dir: DataDir = None,
    vocab_json: Annotated[
        Path | None,
        typer.Option(help="Concepts of the folders, if their names are not the model's labels."),
    ] = None,
    only_unseen: Annotated[
        bool,
        typer.Option(
            "--only-unseen",
            help="Leave out pictures that the model was trained on or measured by.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score a model on labelled pictures that are new to it, and check its promise.

    Examples: trainer evaluate pilot@2 --data-dir held_back · trainer evaluate pilot --dataset
    held_back --only-unseen --json > scores.json
    """
    from common.europeana.vocabulary import load_vocabulary
    from common.vision.runtimes import TorchRuntime
    from trainer.data.device import own_device
    from trainer.scoring.evaluate import evaluate as evaluate_model

    opened = open_model(model)
    description = opened.model.description
    own = dict(zip(description.labels, description.concept_uris, strict=True))
    vocabulary = load_vocabulary(vocab_json) if vocab_json else own
    data = labelled_pictures(dataset, data_dir, vocabulary=vocabulary, kind=description.kind)
    if only_unseen:
        data = _unseen(data, opened)
    runtime = TorchRuntime(opened.model.served, own_device())
    compute = opened.model.answers_by(runtime.rows)
    scores = evaluate_model(description, data, compute, batch_size=runtime.batch_size)
    left_out = {key for part in scores.left_out for key in part.keys}
    known = _known(data, opened)
    scored = None if known is None else [key for key in known if key not in left_out]
    _print(scores, opened, scored, as_json=as_json)
    _tell_known(scores, opened, scored)


def _known(data: "TrainingData", opened: "OpenModel") -> list[str] | None:
    """The keys of the pictures that the model knows; None if nobody noted them."""
    return None if opened.known is None else data.known_to(opened.known)


def _unseen(data: "TrainingData", opened: "OpenModel") -> "TrainingData":
    """The data without the pictures that the model knows.

    Raises:
        ModelError: the model has no list of them.
        DatasetError: no picture is left.
    """
    from common.errors import DatasetError, ModelError

    known = _known(data, opened)
    if known is None:
        raise ModelError(
            f"{opened.title} has no list of the pictures that it was trained on, so --only-unseen "
            "cannot leave them out. Promote it again: trainer promote EXPERIMENT"
        )
    if len(known) == len(data.examples):
        raise DatasetError(
            f"{opened.title} was trained on or measured by all {len(known):,} pictures of "
            f"{data.source}, so none is left. Give other labelled pictures."
        )
    return data.without("the model was trained on it or measured by it", known)


def _print(
    scores: Evaluation,
    opened: "OpenModel",
    known: Collection[str] | None,
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(ModelScores.of(scores, model=opened.title, known=known), ModelScores)
        return
    title = f"{counted(scores.metrics.examples, 'picture')} of {scores.source}"
    if known:
        title += f", {len(known):,} of them known to the model"
    print_listing(title, scores.averages())
    print_listing("Most probable category, before any threshold", scores.categories())
    _print_written(scores)


def _print_written(scores: Evaluation) -> None:
    from trainer.scoring.thresholds import effect_listing

    check = scores.promise_check
    if check is None:
        print_listing("What is written at the thresholds", effect_listing(scores.effects))
        lines = ["The model is of an older version, and has no promise to compare with."]
    else:
        title = "What was promised, and what was found, with 95% intervals"
        print_listing(title, check.listing())
        lines = [
            *check.promise.in_words(),
            f"No concept, since unlike all that the model learned from: {scores.unlike:,} of "
            f"{counted(scores.metrics.examples, 'picture')}.",
            *filter(None, [check.about_strangers()]),
            check.ending(),
        ]
    for line in (*(f"Left out: {len(p.keys):,} x {p.reason}" for p in scores.left_out), *lines):
        print_line(line)


def _tell_known(scores: Evaluation, opened: "OpenModel", known: Collection[str] | None) -> None:
    if known is None or "checkpoint" in opened.model.description.created_from:
        warn(
            f"Nobody noted which pictures {opened.title} was trained on. If these are among them, "
            "the scores are too good."
        )
    if known:
        warn(
            f"{opened.title} was trained on or measured by {len(known):,} of these "
            f"{scores.metrics.examples:,} pictures, so the scores are too good for new pictures. "
            "Leave them out: --only-unseen"
        )
