"""`harvester placeholders`: arguments only."""

from typing import Annotated

import typer
from rich.table import Table

from common.process.terminal.console import SafeConsole
from common.store.session import open_store
from common.store.tables import Judgement
from harvester.pictures.placeholders import judge, judged_pictures


def placeholders(
    picture: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of a true picture; may be repeated.")
    ] = None,
    placeholder: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of a placeholder; may be repeated.")
    ] = None,
) -> None:
    """List the placeholders, which stand in for missing pictures, and correct the list.

    `harvester images` takes a picture for a placeholder if five URLs or more have the same bytes.
    Your judgement overrules that, from the next run of `harvester images` on.

    Example: harvester placeholders --picture 3f5a...
    """
    engine = open_store()
    judge(engine, picture or [], Judgement.PICTURE)
    judge(engine, placeholder or [], Judgement.PLACEHOLDER)
    table = Table("verdict", "records")
    for column in ("SHA-256", "for example"):
        table.add_column(column, overflow="fold")  # to be copied
    for judged in judged_pictures(engine):
        table.add_row(judged.verdict, f"{judged.records:,}", judged.sha256, judged.example)
    SafeConsole().print(table)
