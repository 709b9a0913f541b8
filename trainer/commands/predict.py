"""`trainer predict`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from common.process.terminal.console import SafeConsole
from trainer.commands.options import ModelReference, open_model

if TYPE_CHECKING:
    from common.vision.answers.answering import PictureAnswer
    from common.vision.bundle import Description
    from trainer.scoring.evaluate import Classified, Unreadable

SHOWN = 5  # categories of a picture; those that reach their threshold are always shown

out = SafeConsole(highlight=False, soft_wrap=True)


def predict(
    model: ModelReference,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Picture files.")],
    heatmap: Annotated[
        Path | None,
        typer.Option(help="Folder for a heatmap of each picture's most probable category."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per picture.")
    ] = False,
) -> None:
    """Classify pictures: print categories, probabilities, and which would be written.

    Example: trainer predict pilot photo.jpg scan.tif --heatmap heatmaps
    """
    from common.vision.runtimes import TorchRuntime
    from trainer.report.gallery import save_model_heatmap
    from trainer.scoring.evaluate import Unreadable, classify

    opened = open_model(model).model
    runtime = TorchRuntime(opened.served)
    found = classify(
        images,
        opened.description.preprocessing,
        opened.answers_by(runtime.rows),
        batch_size=runtime.batch_size,
    )
    failed = 0
    for number, each in enumerate(found):
        if as_json:
            typer.echo(json.dumps(_members(each, opened.description)))
        else:
            _print(each, opened.description)
        if isinstance(each, Unreadable):
            failed += 1
        elif heatmap is not None:
            path = heatmap / f"{number:04}_{each.path.stem}.png"
            label = int(each.said.probabilities.argmax())
            save_model_heatmap(path, opened, each.picture, label=label)
    if failed:
        raise typer.Exit(1)


def _members(
    each: "Classified[PictureAnswer] | Unreadable", description: "Description"
) -> dict[str, object]:
    from trainer.scoring.evaluate import Unreadable

    if isinstance(each, Unreadable):
        return {"image": str(each.path), "error": each.reason}
    return {
        "image": str(each.path),
        "unlike": each.said.is_unlike,
        "categories": _categories(each, description),
    }


def _categories(
    each: "Classified[PictureAnswer]", description: "Description"
) -> list[dict[str, object]]:
    concepts = zip(description.labels, description.concept_uris, strict=True)
    rows = zip(concepts, each.said.probabilities, each.said.written.tolist(), strict=True)
    return [
        {
            "label": label,
            "concept": uri,
            "probability": round(float(probability), 6),
            "threshold": description.thresholds[uri],
            "passes": is_passing,
        }
        for (label, uri), probability, is_passing in sorted(rows, key=lambda row: -row[1])
    ]


def _print(each: "Classified[PictureAnswer] | Unreadable", description: "Description") -> None:
    from trainer.scoring.evaluate import Unreadable

    if isinstance(each, Unreadable):
        out.print(f"{each.path}: {each.reason}", style="red")
        return
    out.print(str(each.path), style="bold")
    if each.said.is_unlike:
        out.print("  unlike all that the model learned from: nothing is written", style="yellow")
    for rank, row in enumerate(_categories(each, description)):
        if rank < SHOWN or row["passes"]:
            threshold = row["threshold"]
            needed = "switched off" if threshold is None else f"written from {threshold:.3f}"
            mark = ("✓", "green") if row["passes"] else " "
            named = f" {row['probability']:.3f} {row['label']} "
            out.print(Text.assemble("  ", mark, named, (f"({needed})", "dim")))
