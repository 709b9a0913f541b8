"""`trainer predict`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from trainer.commands.options import ModelReference, open_model
from trainer.commands.printing import hint, warn

if TYPE_CHECKING:
    from common.vision.answers.answering import PictureAnswer
    from common.vision.bundle import Description
    from trainer.scoring.evaluate import Classified, Unreadable

SHOWN = 5  # categories of a picture; those that reach their threshold are always shown

out = SafeConsole(highlight=False, soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class PredictedCategory:
    """A category of a picture; `passes` is true if its concept would be written.

    A concept without a threshold is switched off.
    """

    label: str
    concept: str
    probability: float
    threshold: float | None
    passes: bool


@dataclass(frozen=True, kw_only=True)
class PredictedPicture:
    """What a model predicts for a picture, the most probable category first.

    If `unlike` is true, the picture is too different from the training pictures and gets no
    concept. A picture that cannot be read has only an `error`.
    """

    image: str
    error: str | None = None
    unlike: bool | None = None
    categories: tuple[PredictedCategory, ...] = ()


@prints(PredictedPicture)
def predict(
    model: ModelReference,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Picture files.")],
    heatmap: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Save a heatmap of each picture's most probable category in this folder.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Classify pictures: print categories, probabilities, and the concepts that would be written.

    --json prints one JSON object per line.

    Example: trainer predict pilot photo.jpg scan.tif --heatmap heatmaps
    """
    from common.vision.runtimes import TorchRuntime
    from trainer.data.device import own_device
    from trainer.report.gallery import save_model_heatmap
    from trainer.scoring.evaluate import Unreadable, classify

    opened = open_model(model).model
    runtime = TorchRuntime(opened.served, own_device())
    found = classify(
        images,
        opened.description.preprocessing,
        opened.answers_by(runtime.rows),
        batch_size=runtime.batch_size,
    )
    failed = 0
    for number, each in enumerate(found):
        predicted = _predicted(each, opened.description)
        failed += predicted.error is not None
        if as_json:
            print_json(predicted, PredictedPicture)
        else:
            _print(predicted)
        if heatmap is not None and not isinstance(each, Unreadable):
            path = heatmap / f"{number:04}_{each.path.stem}.png"
            label = int(each.prediction.probabilities.argmax())
            save_model_heatmap(path, opened, each.picture, label=label)
    if heatmap is not None:
        hint(f"Heatmaps: {heatmap}")
    if failed:
        warn(f"Pictures that cannot be read: {failed:,} of {len(images):,}.")
        raise typer.Exit(1)


def _predicted(
    each: "Classified[PictureAnswer] | Unreadable", description: "Description"
) -> PredictedPicture:
    from trainer.scoring.evaluate import Unreadable

    if isinstance(each, Unreadable):
        return PredictedPicture(image=str(each.path), error=each.reason)
    return PredictedPicture(
        image=str(each.path),
        unlike=each.prediction.is_unlike,
        categories=tuple(_categories(each, description)),
    )


def _categories(
    each: "Classified[PictureAnswer]", description: "Description"
) -> Iterator[PredictedCategory]:
    concepts = zip(description.labels, description.concept_uris, strict=True)
    rows = zip(
        concepts, each.prediction.probabilities, each.prediction.written.tolist(), strict=True
    )
    for (label, uri), probability, passes in sorted(rows, key=lambda row: -row[1]):
        yield PredictedCategory(
            label=label,
            concept=uri,
            probability=round(float(probability), 6),
            threshold=description.thresholds[uri],
            passes=passes,
        )


def _print(picture: PredictedPicture) -> None:
    if picture.error is not None:
        out.print(f"{picture.image}: {picture.error}", style="red")
        return
    out.print(picture.image, style="bold")
    if picture.unlike:
        out.print(
            "  too different from the training pictures: no concept is written", style="yellow"
        )
    for rank, each in enumerate(picture.categories):
        if rank < SHOWN or each.passes:
            threshold = each.threshold
            needed = "switched off" if threshold is None else f"written from {threshold:.3f}"
            mark = ("✓", "green") if each.passes else " "
            named = f" {each.probability:.3f} {each.label} "
            out.print(Text.assemble("  ", mark, named, (f"({needed})", "dim")))
