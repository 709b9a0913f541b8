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
        list[str] | None, typer.Option(help="SHA-256 of a true picture; may be repeated.")
    ] = None,
    placeholder: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of a placeholder; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the placeholders, which stand in for missing pictures, and correct the list.

    `harvester images` takes a picture for a placeholder if five URLs or more have the same bytes.
    Your judgement overrules that, from the next run of `harvester images` on.

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
