"""`trainer evaluate`."""

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from trainer.commands.options import (
    DataDir,
    Labelled,
    ModelReference,
    labelled_pictures,
    open_model,
)
from trainer.commands.printing import (
    NO_PROMISE,
    effect_listing,
    number,
    print_line,
    print_listing,
    warn,
)
from trainer.scoring.evaluation import ModelScores
from trainer.scoring.promise_check import CheckedConcept, CheckedPromise

if TYPE_CHECKING:
    from common.vision.answers.promise import Promise
    from trainer.data.dataset import TrainingData
    from trainer.models.registry import OpenModel

SHOWN = 10  # data providers


@prints(ModelScores)
def evaluate(
    model: ModelReference,
    dataset: Labelled = None,
    data_dir: DataDir = None,
    vocab_json: Annotated[
        Path | None,
        typer.Option(help="Vocabulary file, if folder names are not labels of the model."),
    ] = None,
    only_unseen: Annotated[
        bool,
        typer.Option(
            "--only-unseen",
            help="Leave out pictures with which the model was trained or tested.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Test a model on labelled pictures that are new to it, and check its promised precision.

    Examples: trainer evaluate pilot@2 --data-dir held_back · trainer evaluate pilot --dataset
    held_back --only-unseen --json > scores.json
    """
    from common.vision.runtimes import TorchRuntime
    from common.vocabulary.reading import load_vocabulary
    from trainer.data.device import own_device
    from trainer.scoring.evaluate import evaluate as evaluate_model

    opened = open_model(model)
    description = opened.model.description
    own = dict(zip(description.labels, description.concept_uris, strict=True))
    vocabulary = load_vocabulary(vocab_json) if vocab_json else own
    data = labelled_pictures(dataset, data_dir, vocabulary=vocabulary, kind=description.kind)
    if only_unseen:
        data = _new_pictures(data, opened)
    runtime = TorchRuntime(opened.model.served, own_device())
    scores = evaluate_model(
        description,
        data,
        opened.model.answers_by(runtime.rows),
        batch_size=runtime.batch_size,
        title=opened.title,
        known=opened.known,
    )
    if as_json:
        print_json(scores, ModelScores)
    else:
        _print(scores, description.promise)
    _warn_of_known(scores, is_foreign="checkpoint" in description.created_from)


def _new_pictures(data: "TrainingData", opened: "OpenModel") -> "TrainingData":
    """The data without the pictures that the model knows.

    Raises:
        ModelError: the model has no list of them.
        DatasetError: no picture is left.
    """
    from common.errors import DatasetError, ModelError

    if opened.known is None:
        raise ModelError(
            f"{opened.title} has no list of its training pictures, so --only-unseen cannot leave "
            "them out. Promote it again: trainer promote EXPERIMENT"
        )
    known = data.known_to(opened.known)
    if len(known) == len(data.examples):
        raise DatasetError(
            f"All {len(known):,} pictures of {data.source} were used to train or to test "
            f"{opened.title}, so no picture is left. Give other labelled pictures."
        )
    return data.without("it was used to train or to test the model", known)


def _print(scores: ModelScores, promise: "Promise | None") -> None:
    title = f"{counted(scores.examples, 'picture')} of {scores.data}"
    if scores.known:
        title += f"; the model knows {scores.known:,} of these pictures"
    print_listing(title, _averages(scores))
    print_listing("Most probable category, before any threshold", _categories(scores))
    if promise is None or scores.promise is None:
        print_listing("Written concepts, at the thresholds", effect_listing(scores.thresholds))
        lines = ["An older version made this model, so the model has no promise to compare with."]
    else:
        title = "Promised and measured precision, with 95% intervals"
        print_listing(title, promise_listing(scores.promise))
        lines = [
            *promise.in_words(),
            "Pictures without a concept, because they are too different from the training "
            f"pictures: {scores.unlike:,} of {counted(scores.examples, 'picture')}.",
            *filter(None, [about_other_providers(scores.promise)]),
            promise_in_a_line(scores.promise),
        ]
    for reason, keys in scores.left_out.items():
        print_line(f"Left out: {len(keys):,} x {reason}")
    for line in lines:
        print_line(line)


def _averages(scores: ModelScores) -> Listing:
    metrics = scores.metrics
    listing = Listing("metric", "value", numbers=["value"])
    numbers = {
        "accuracy": metrics.accuracy,
        "top-3 accuracy": metrics.top3,
        "macro precision": metrics.precision,
        "macro recall": metrics.recall,
        "macro F1": metrics.f1,
        "calibration error": scores.calibration.error,
        "precision of what is written": scores.written_precision,
        "pictures with a concept": scores.pictures_written / scores.examples,
    }
    for name, value in numbers.items():
        listing.add(name, number(value))
    return listing


def _categories(scores: ModelScores) -> Listing:
    numbers = ("examples", "precision", "recall", "F1")
    listing = Listing("category", *numbers, numbers=numbers, texts=["category"])
    for label, each in scores.metrics.categories.items():
        shares = (number(each.precision), number(each.recall), number(each.f1))
        listing.add(label, f"{each.support:,}", *shares)
    return listing


def promise_listing(check: CheckedPromise) -> Listing:
    numbers = ("promised", "right", "precision", "found")
    listing = Listing("category", *numbers, "promise", numbers=numbers, texts=["category"])
    for label, each in check.concepts.items():
        if each.promised is None:
            listing.add(label, "", "", "", "", "off", style="yellow")
            continue
        style = "red" if each.promise == "broken" else ""
        listing.add(label, f"{each.promised:g}", *_found(each), each.promise, style=style)
    return listing


def _found(each: CheckedConcept) -> tuple[str, str, str]:
    found = "–" if isnan(each.found) else f"{each.found:.2f}"
    if not each.written:
        return "0", "–", found
    precision = f"{each.precision:.2f} ({each.interval})"
    return f"{each.right:,} of {each.written:,}", precision, found


def about_other_providers(check: CheckedPromise) -> str:
    """Empty if the promise is for all providers of these pictures."""
    others = check.providers_without_promise
    if not others:
        return ""
    largest = sorted(others.items(), key=lambda each: -each[1])
    named = [f"{provider} ({pictures:,})" for provider, pictures in largest[:SHOWN]]
    if len(largest) > SHOWN:
        named.append(f"and {len(largest) - SHOWN:,} more")
    return (
        f"The promise does not hold for the providers of {sum(others.values()):,} pictures: "
        f"{', '.join(named)}. This table counts these pictures too."
    )


def promise_in_a_line(check: CheckedPromise) -> str:
    states = [each.promise for each in check.concepts.values() if each.promise != "off"]
    if not states:
        return NO_PROMISE
    if check.broken:
        broken = ((label, check.concepts[label]) for label in check.broken)
        named = ", ".join(f"{label} ({c.precision:.2f} of {c.written:,})" for label, c in broken)
        return f"The promise is broken for {len(check.broken)} of {len(states)} concepts: {named}."
    rest = ""
    if few := states.count("too few to say"):
        rest = f"; {counted(few, 'concept')} cannot be judged, because there are too few pictures"
    return f"The promise holds for {states.count('holds')} of {len(states)} concepts{rest}."


def _warn_of_known(scores: ModelScores, *, is_foreign: bool) -> None:
    if scores.known is None or is_foreign:
        warn(
            f"The training pictures of {scores.model} are unknown. If the model learned from "
            "some of these pictures, the scores are too high."
        )
    if scores.known:
        warn(
            f"{scores.known:,} of these {scores.examples:,} pictures were used to train or "
            f"to test {scores.model}, so the scores are too high. Leave these pictures out: "
            "--only-unseen"
        )
