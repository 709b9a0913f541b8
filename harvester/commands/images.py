"""`harvester images`: arguments only."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from common.errors import EnrichmentError, UsageError
from common.fetch.download import CONNECTIONS
from common.process.settings import ImageSettings
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.store.session import open_store
from common.store.tables import ImageState, PictureChoice
from harvester.commands.options import DatasetName
from harvester.pictures.folders import place_pictures
from harvester.pictures.harvest import DEFAULT_MAX_SIDE, harvest_pictures
from harvester.pictures.report import HostReport, PictureCount, count_pictures, report_hosts

SavingDir = Annotated[
    Path | None,
    typer.Option(
        help=(
            "Also put the pictures of records with one label into this folder, in a sub-folder for "
            "each category."
        )
    ),
]
Picture = Annotated[
    PictureChoice,
    typer.Option(
        help="thumbnail: Europeana's thumbnail (400 pixels). media: the provider's file. auto: "
        "the file, or the thumbnail if the file fails. Records that failed with another "
        "choice are tried again."
    ),
]
Connections = Annotated[
    int, typer.Option(min=1, max=1024, help="Number of downloads at the same time.")
]
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
    typer.Option("--original", help="Store each file unchanged, with any size and format."),
]
ReportOnly = Annotated[
    bool,
    typer.Option(
        "--report", help="Do not fetch pictures. Show which pictures are missing and why."
    ),
]


Refetch = Annotated[
    bool,
    typer.Option("--refetch", help="Fetch missing pictures again, even if most files are missing."),
]


@prints(list[HostReport])
def images(
    name: DatasetName,
    saving_dir: SavingDir = None,
    picture: Picture = PictureChoice.AUTO,
    connections: Connections = CONNECTIONS,
    max_side: MaxSide = DEFAULT_MAX_SIDE,
    original: Original = False,
    report: ReportOnly = False,
    refetch: Refetch = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the pictures of a dataset into IMAGE_DIR.

    At the end, every record has a picture, or a reason why it has no picture. If a failure may pass
    (a host is down, a limit is reached), the record is put off. Run the same command later to try
    it again. If a picture is larger than --max-side, it is made smaller and stored as JPEG.
    Placeholders, which servers send instead of missing pictures, are not stored as pictures.

    Example: harvester images --dataset dataset_3000 --saving-dir training_data
    """
    engine, settings = open_store(), ImageSettings.read()
    if report:
        hosts = report_hosts(engine, name)
        if as_json:
            print_json(hosts, list[HostReport])
        else:
            _show_hosts(hosts)
        return
    if as_json:
        raise UsageError("--json needs --report. Give both options.")
    harvest_pictures(
        engine,
        settings,
        name,
        picture=picture,
        connections=connections,
        max_side=None if original else max_side,
        refetch=refetch,
    )
    if saving_dir:
        place_pictures(engine, name, image_dir=settings.image_dir, saving_dir=saving_dir)
    _show_counts(count_pictures(engine, name))
    next_step(f"trainer train --dataset {name}")


def _show_hosts(reports: Sequence[HostReport]) -> None:
    counts, words = ("pictures", "stored"), ("host", "reasons", "what to do")
    listing = Listing(
        *("host", *counts, "reasons", "again from", "what to do"), numbers=counts, texts=words
    )
    for report in reports:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in report.reasons.items())
        listing.add(
            report.host,
            f"{report.pictures:,}",
            f"{report.stored:,}",
            reasons,
            _moment(report.again_from),
            report.advice,
        )
    listing.print()


def _show_counts(counts: Sequence[PictureCount]) -> None:
    listing = Listing("records", "state", "source or reason", "again from", numbers=("records",))
    for count in counts:
        listing.add(f"{count.records:,}", count.state, count.why, _moment(count.again_from))
    listing.print()
    if not any(count.state == ImageState.STORED for count in counts):
        raise EnrichmentError(
            "No picture was stored. The table shows the reasons, and --report shows them by host."
        )


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""
