"""`harvester images`: arguments only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from common.errors import EnrichmentError
from common.images.thumbnails import Picture
from common.settings import ImageSettings
from common.store.session import open_store
from harvester.commands.options import DatasetName
from harvester.folders import place_pictures
from harvester.image_report import ImageCount, count_images
from harvester.images import ImageOptions, harvest_images


def images(
    name: DatasetName,
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


def _report_images(counts: Sequence[ImageCount]) -> None:
    table = Table("state", "source or reason", "records", "again from")
    for count in counts:
        again = f"{count.again_from.astimezone():%Y-%m-%d %H:%M}" if count.again_from else ""
        table.add_row(count.state, count.why, f"{count.records:,}", again)
    Console().print(table)
    if not any(count.state == "stored" for count in counts):
        raise EnrichmentError("No picture was obtained; the reasons are in the table.")
