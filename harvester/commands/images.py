"""`harvester images`: arguments only."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from common.errors import EnrichmentError
from common.fetch.download import CONNECTIONS
from common.process.settings import ImageSettings
from common.process.terminal.console import SafeConsole
from common.store.session import open_store
from common.store.tables import ImageState, PictureChoice
from harvester.commands.options import DatasetName
from harvester.pictures.folders import place_pictures
from harvester.pictures.harvest import DEFAULT_MAX_SIDE, PictureOptions, harvest_pictures
from harvester.pictures.report import HostReport, PictureCount, count_pictures, report_hosts

SavingDir = Annotated[
    Path | None,
    typer.Option(help="Also place the pictures of single-label records here, by category."),
]
Picture = Annotated[
    PictureChoice,
    typer.Option(
        help="Europeana's 400-pixel thumbnail, the provider's file, or (auto) the file, and the "
        "thumbnail if that fails. Records that failed with another choice are tried again."
    ),
]
Connections = Annotated[int, typer.Option(min=1, max=1024, help="Downloads at a time.")]
MaxSide = Annotated[
    int,
    typer.Option(
        min=32,
        help="Longest side of a stored picture, in pixels. The default is twice the input size of "
        "usual classifiers.",
    ),
]
Original = Annotated[
    bool,
    typer.Option("--original", help="Keep each file as it came, whatever its size and format."),
]
ReportOnly = Annotated[
    bool,
    typer.Option("--report", help="Fetch nothing; show which pictures are missing, and why."),
]


def images(
    name: DatasetName,
    saving_dir: SavingDir = None,
    picture: Picture = PictureChoice.AUTO,
    connections: Connections = CONNECTIONS,
    max_side: MaxSide = DEFAULT_MAX_SIDE,
    original: Original = False,
    report: ReportOnly = False,
) -> None:
    """Fetch the pictures of a dataset into IMAGE_DIR.

    Every record ends with a picture or a reason. Failures that may pass (a host that is down, a
    limit) are put off: the same command tries them again when they are due. Pictures larger than
    --max-side are stored smaller, as JPEG. Placeholders, which stand in for missing pictures, are
    set aside.

    Example: harvester images --name dataset_3000 --saving-dir training_data
    """
    engine, settings = open_store(), ImageSettings.read()
    if report:
        _show_hosts(report_hosts(engine, name))
        return
    options = PictureOptions(
        picture=picture, connections=connections, max_side=None if original else max_side
    )
    harvest_pictures(engine, settings, name, options)
    if saving_dir:
        place_pictures(engine, name, image_dir=settings.image_dir, saving_dir=saving_dir)
    _show_counts(count_pictures(engine, name))


def _show_hosts(reports: Sequence[HostReport]) -> None:
    table = Table("host", "pictures", "stored", "reasons", "again from", "what to do")
    for report in reports:
        reasons = "\n".join(f"{reason} {count:,}" for reason, count in report.reasons.items())
        table.add_row(
            report.host,
            f"{report.pictures:,}",
            f"{report.stored:,}",
            reasons,
            _moment(report.again_from),
            report.advice,
        )
    SafeConsole().print(table)


def _show_counts(counts: Sequence[PictureCount]) -> None:
    table = Table("state", "source or reason", "records", "again from")
    for count in counts:
        table.add_row(count.state, count.why, f"{count.records:,}", _moment(count.again_from))
    SafeConsole().print(table)
    if not any(count.state == ImageState.STORED for count in counts):
        raise EnrichmentError(
            "No picture was stored. The table has the reasons; --report has them by host."
        )


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""
