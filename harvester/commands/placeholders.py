"""`harvester placeholders`: arguments only."""

from typing import Annotated

import typer

from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.store.session import open_store
from common.store.tables import Judgement
from harvester.pictures.placeholders import Judged, judge, judged_pictures


@prints(list[Judged])
def placeholders(
    picture: Annotated[
        list[str] | None,
        typer.Option(help="SHA-256 of a real picture. You can repeat this option."),
    ] = None,
    placeholder: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of a placeholder. You can repeat this option.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the placeholders, which servers send instead of missing pictures, and correct the list.

    If five or more URLs have the same bytes, `harvester images` treats the picture as a
    placeholder. Here you can correct this. The next run of `harvester images` uses your correction.

    Example: harvester placeholders --picture 3f5a...
    """
    engine = open_store()
    judge(engine, picture or [], Judgement.PICTURE)
    judge(engine, placeholder or [], Judgement.PLACEHOLDER)
    found = judged_pictures(engine)
    if as_json:
        print_json(found, list[Judged])
        return
    words = ("SHA-256", "for example")
    listing = Listing("records", "verdict", *words, numbers=("records",), texts=words)
    for each in found:
        listing.add(f"{each.records:,}", each.verdict, each.sha256, each.example or "")
    listing.print()
