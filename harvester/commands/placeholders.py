"""`harvester placeholders`: arguments only."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from common.store.session import open_store
from common.store.tables import Verdict
from harvester.pictures.placeholders import judge, judged_pictures


def placeholders(
    picture: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of one that is a true picture; repeatable.")
    ] = None,
    placeholder: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of one that stands in; repeatable.")
    ] = None,
) -> None:
    """List the pictures that stand in for missing ones, and overrule what was found.

    `harvester images` takes the same bytes under five URLs or more for such a picture. What is
    said here holds against that, from the next run of `harvester images` on.

    Example: harvester placeholders --picture 3f5a...
    """
    engine = open_store()
    judge(engine, picture or [], Verdict.PICTURE)
    judge(engine, placeholder or [], Verdict.PLACEHOLDER)
    table = Table("verdict", "records")
    for column in ("SHA-256", "for example"):
        table.add_column(column, overflow="fold")  # to be copied
    for judged in judged_pictures(engine):
        table.add_row(judged.verdict, f"{judged.records:,}", judged.sha256, judged.example)
    Console().print(table)
