"""`worker embeddings`: arguments only."""

import json
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from common.store.encoders import KeptEmbeddings, find_encoder, kept_embeddings, stored_encoders
from common.store.session import open_store
from worker.commands.options import console
from worker.embeddings.indexing import make_index
from worker.embeddings.pruning import prune as prune_embeddings
from worker.jobs.ages import parse_age

embeddings = command_group("Look after what encoders saw: list it, prune it, index it.")


@embeddings.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON array")] = False,
) -> None:
    """List how many embeddings are kept of each encoder, and the space that they take."""
    with open_store().connect() as connection:
        found = kept_embeddings(connection)
    if as_json:
        typer.echo(json.dumps([_members(each) for each in found]))
        return
    table = Table(box=box.SIMPLE)
    for column in ("encoder", "numbers", "pictures", "size", "index"):
        right = column in ("numbers", "pictures", "size")
        table.add_column(column, justify="right" if right else "left")
    for each in found:
        size = f"{each.size / 1e6:,.1f} MB"
        counts = (f"{each.encoder.dimension:,}", f"{each.pictures:,}", size)
        table.add_row(each.encoder.name, *counts, "yes" if each.has_index else "")
    SafeConsole(markup=False).print(table)


@embeddings.command()
def prune(
    encoder: Annotated[
        str | None, typer.Option(help="only what is kept of this encoder; else of all")
    ] = None,
    unseen_for: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="also what was not looked at for so long: days or hours, such as 365d or 12h",
        ),
    ] = None,
) -> None:
    """Remove embeddings of pictures that no record shows any more.

    A record shows a picture that was seen at its present address. Pictures that the harvester
    stored stay, for trainings. To remove everything of an encoder: trainer encoders remove NAME.
    """
    age = None if unseen_for is None else parse_age(unseen_for)
    engine = open_store()
    with engine.connect() as connection:
        chosen = [find_encoder(connection, encoder)] if encoder else stored_encoders(connection)
    pruned = prune_embeddings(engine, chosen, every_encoder=encoder is None, unseen_for=age)
    console.print(
        f"{pruned.embeddings:,} embeddings removed. Postgres uses their space for new ones."
    )


@embeddings.command()
def index(encoder: Annotated[str, typer.Argument(help="name of the encoder")]) -> None:
    """Make an index of an encoder's embeddings, so that `worker similar` answers in milliseconds.

    It takes about a quarter of an hour for a million embeddings, and 1 GB of Postgres' memory, and
    locks nobody out. Jobs do not need it. While there is one, keeping embeddings takes longer.
    """
    engine = open_store()
    with engine.connect() as connection:
        found = find_encoder(connection, encoder)
    is_new = make_index(engine, found)
    console.print(f"{'Made' if is_new else 'There was already'}: the index of {found.name}.")


def _members(kept: KeptEmbeddings) -> dict[str, Any]:
    return {
        "encoder": kept.encoder.name,
        "numbers": kept.encoder.dimension,
        "pictures": kept.pictures,
        "bytes": kept.size,
        "has_index": kept.has_index,
    }
