"""The `harvester` command: arguments only; the work is in the modules beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from common.command import command_group
from common.errors import ApiError, EnrichmentError, UsageError
from common.europeana.api import EuropeanaApi
from common.europeana.vocabulary import load_vocabulary
from common.images.thumbnails import Picture
from common.settings import ApiSettings, ImageSettings
from common.store.session import open_store
from harvester.csv_exchange import export_dataset
from harvester.folders import place_pictures
from harvester.image_report import ImageCount, count_images
from harvester.images import ImageOptions, harvest_images
from harvester.records import CategoryOutcome, HarvestPlan, harvest_records

REUSABILITIES = ("open", "restricted", "permission")

app = command_group(
    "Collects records, labels and images from Europeana as datasets to learn from.\n\n"
    "Reads DATABASE_URL, EUROPEANA_API_KEY, EUROPEANA_API_URL and IMAGE_DIR."
)

Name = Annotated[str, typer.Option(help="Name of the dataset.")]


def main() -> None:
    """Run the command line."""
    app()


@app.command()
def records(
    name: Name,
    vocab_json: Annotated[Path, typer.Option(help="Labels and the concept URI of each.")],
    n: Annotated[int, typer.Option(min=1, help="Records to take for each category.")] = 1000,
    reusability: Annotated[str, typer.Option(help="Rights to admit, comma-separated.")] = ",".join(
        REUSABILITIES
    ),
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Take a random sample, the same for the same seed."),
    ] = None,
) -> None:
    """Search Europeana for images of each category and store them as a dataset.

    Goes on where it stopped, however it stopped; repeating a finished harvest changes nothing,
    a larger --n adds to it. Without --seed neighbours in the order of the IDs are taken, which
    are from few data providers: to train, give a seed.

    Example: harvester records --vocab-json vocabulary.json --n 3000 --name dataset_3000 --seed 1
    """
    plan = HarvestPlan(
        name=name,
        vocabulary=load_vocabulary(vocab_json),
        target=n,
        reusability=_reusabilities(reusability),
        seed=seed,
    )
    with EuropeanaApi(ApiSettings.read()) as api:
        outcomes = harvest_records(open_store(), api, plan)
    _report_categories(outcomes)


@app.command()
def images(
    name: Name,
    saving_dir: Annotated[
        Path | None,
        typer.Option(help="Also place the pictures of single-label records here, by category."),
    ] = None,
    picture: Annotated[
        Picture,
        typer.Option(
            help="Europeana's 400-pixel thumbnail, the provider's file, or the file and where that "
            "fails the thumbnail."
        ),
    ] = "auto",
    connections: Annotated[int, typer.Option(min=1, max=1024, help="Downloads at a time.")] = 64,
    max_side: Annotated[
        int, typer.Option(min=32, help="Longer side of a stored picture, in pixels, at most.")
    ] = 512,
) -> None:
    """Fetch the pictures of a dataset into IMAGE_DIR.

    Every record ends with a picture or a reason. What may pass (a host that is down, a limit) is
    put off: the same command tries it again when it is due. Pictures larger than --max-side are
    stored smaller, as JPEG.

    Example: harvester images --name dataset_3000 --saving-dir training_data
    """
    engine, settings = open_store(), ImageSettings.read()
    options = ImageOptions(picture=picture, connections=connections, max_side=max_side)
    harvest_images(engine, settings, name, options)
    if saving_dir:
        place_pictures(engine, name, image_dir=settings.image_dir, saving_dir=saving_dir)
    _report_images(count_images(engine, name))


@app.command()
def export(
    name: Name,
    target: Annotated[str, typer.Argument(help="File to write, or - for standard output.")],
) -> None:
    """Write a dataset as CSV: category, skos_concept, URI, URL and ID of each record.

    Several labels of a record are joined by spaces. Lines are in the order of the IDs.

    Example: harvester export --name dataset_3000 dataset_3000.csv
    """
    export_dataset(open_store(), name, target)


def _reusabilities(given: str) -> tuple[str, ...]:
    chosen = tuple(value.strip() for value in given.split(","))
    if unknown := [value for value in chosen if value not in REUSABILITIES]:
        raise UsageError(f"--reusability knows {', '.join(REUSABILITIES)}, but not {unknown[0]!r}.")
    return chosen


def _report_categories(outcomes: Sequence[CategoryOutcome]) -> None:
    table = Table("category", "taken", "with this label", "remark")
    for outcome in outcomes:
        table.add_row(outcome.label, f"{outcome.taken:,}", f"{outcome.labelled:,}", outcome.remark)
    Console().print(table)
    if failed := [outcome for outcome in outcomes if outcome.failed]:
        raise ApiError(
            f"{len(failed)} of {len(outcomes)} categories failed, the first with: "
            f"{failed[0].remark} The same command goes on where it was."
        )
    if not any(outcome.labelled for outcome in outcomes):
        raise ApiError("No record was harvested: Europeana has none for these categories.")


def _report_images(counts: Sequence[ImageCount]) -> None:
    table = Table("state", "source or reason", "records", "again from")
    for count in counts:
        again = f"{count.again_from.astimezone():%Y-%m-%d %H:%M}" if count.again_from else ""
        table.add_row(count.state, count.why, f"{count.records:,}", again)
    Console().print(table)
    if not any(count.state == "stored" for count in counts):
        raise EnrichmentError("No picture was obtained; the reasons are in the table.")
