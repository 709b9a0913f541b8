"""`worker similar`: arguments only."""

from typing import Annotated

import typer

from common.errors import UsageError
from common.files import STANDARD_OUTPUT, output_stream
from common.process.settings import ImageSettings
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.shared_options import Force, check_output_file
from common.store.session import open_store
from worker.commands.options import console
from worker.embeddings.alike import MOST_ALIKE, Alike, find_alike


@prints(Alike)
def similar(
    record: Annotated[
        str, typer.Argument(metavar="RECORD", help="Record ID, item URI or portal URL.")
    ],
    count: Annotated[int, typer.Option("--n", min=1, max=MOST_ALIKE, help="Records to find.")] = 20,
    page: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="HTML page to write, with thumbnails; - for standard output."
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Use the embeddings of this encoder. Default: the encoder of the model in service."
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare all embeddings, even if there is an index.")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Show the records whose pictures are most similar to the picture of a record.

    Jobs save embeddings if their model uses an encoder. The command compares all embeddings,
    unless you made an index (`worker embeddings index`).

    Example: worker similar /2021648/0180_N_31325 --n 50 --page alike.html
    """
    if page == STANDARD_OUTPUT and as_json:
        raise UsageError("With --json, give --page a FILE: only one can go to standard output.")
    if page is not None:
        check_output_file(page, force=force)
    engine = open_store()
    alike = find_alike(engine, record, count=count, encoder=encoder, exact=exact)
    if page is not None:
        from worker.embeddings.pictures import fetch_pictures
        from worker.exports.page import write_similar_page

        pictures = fetch_pictures(engine, ImageSettings.read(), [alike.record, *alike.found])
        with output_stream(page) as stream:
            write_similar_page(alike, stream, pictures)
        where = "standard output" if page == STANDARD_OUTPUT else page
        console.print(f"{counted(len(alike.found), 'record')} written to {where}.")
    if as_json:
        print_json(alike, Alike)
    elif page is None:
        _print(alike)


def _print(alike: Alike) -> None:
    listing = Listing(
        *("similarity", "record", "title", "data provider", "picture"),
        numbers=("similarity",),
        texts=("title", "data provider"),
    )
    for each in alike.found:
        names = (each.record_id, each.title or "", each.data_provider or "", each.source)
        listing.add(f"{each.similarity:.3f}", *names)
    listing.print()
    how = "all were compared" if alike.is_exact else "found by an index, which may miss some"
    embeddings = counted(alike.compared, "embedding")
    console.print(f"{embeddings} of the encoder {alike.encoder.name}; {how}.")
