"""`worker similar`: arguments only."""

import json
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from common.files import output_stream
from common.process.settings import ImageSettings
from common.process.terminal.console import SafeConsole
from common.store.session import open_store
from worker.commands.options import console
from worker.embeddings.alike import MOST, Alike, find_alike


def similar(
    record: Annotated[str, typer.Argument(help="record ID, item URI or portal URL")],
    count: Annotated[int, typer.Option("--n", min=1, max=MOST, help="records to find")] = 20,
    page: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="also write a page with their thumbnails; - for standard output"
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="whose embeddings are compared; else those of the active model's encoder"
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="compare every embedding, also if there is an index")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show the records whose pictures are most like that of a record.

    Compares embeddings that were kept by jobs with a model on an encoder: all of them, unless an
    index was made (`worker embeddings index`). Example: worker similar /2021648/0180_N_31325 --n 50
    --page alike.html
    """
    engine = open_store()
    alike = find_alike(engine, record, count=count, encoder=encoder, exact=exact)
    if page is not None:
        from worker.embeddings.pictures import fetch_pictures
        from worker.exports.similar_page import write_similar_page

        pictures = fetch_pictures(engine, ImageSettings.read(), [alike.record, *alike.found])
        with output_stream(page) as stream:
            write_similar_page(alike, stream, pictures)
        console.print(f"{len(alike.found):,} records written to {page}.", markup=False)
    if as_json:
        typer.echo(json.dumps(_members(alike)))
    elif page is None:
        _print(alike)


def _print(alike: Alike) -> None:
    table = Table(box=box.SIMPLE)
    table.add_column("similarity", justify="right")
    for column in ("record", "title", "data provider", "picture"):
        table.add_column(column, overflow="fold")
    for each in alike.found:
        names = (each.record_id, each.title or "", each.data_provider or "", each.source)
        table.add_row(f"{each.similarity:.3f}", *names)
    SafeConsole(markup=False).print(table)
    how = "all were compared" if alike.is_exact else "found by an index, which may miss some"
    console.print(
        f"{alike.compared:,} embeddings of the encoder {alike.encoder.name}; {how}.", markup=False
    )


def _members(alike: Alike) -> dict[str, object]:
    return {
        "record": alike.record.record_id,
        "encoder": alike.encoder.name,
        "compared": alike.compared,
        "exact": alike.is_exact,
        "found": [each.as_json() for each in alike.found],
    }
