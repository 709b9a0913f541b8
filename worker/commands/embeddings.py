"""`worker embeddings`: arguments only."""

from dataclasses import dataclass
from typing import Annotated

import typer

from common.process.terminal.ages import parse_age
from common.process.terminal.command import command_group
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.store.encoders import KeptEmbeddings, find_encoder, kept_embeddings, stored_encoders
from common.store.session import open_store
from worker.commands.options import console
from worker.embeddings.indexing import make_index
from worker.embeddings.pruning import Pruned
from worker.embeddings.pruning import prune as prune_embeddings

embeddings = command_group("List, remove and index the embeddings that encoders computed.")


@dataclass(frozen=True, kw_only=True)
class IndexOfEncoder:
    """The index of an encoder's embeddings; `is_new`: it was made now."""

    encoder: str
    is_new: bool


@embeddings.command("list")
@prints(list[KeptEmbeddings])
def list_(as_json: AsJson = False) -> None:
    """List the number of saved embeddings of each encoder, and their size.

    Example: worker embeddings list
    """
    with open_store().connect() as connection:
        found = kept_embeddings(connection)
    if as_json:
        print_json(found, list[KeptEmbeddings])
        return
    if not found:
        console.print("There is no encoder. Add one: trainer encoders add NAME NETWORK")
        return
    numbers = ("numbers", "pictures", "size")
    listing = Listing("encoder", *numbers, "index", numbers=numbers)
    for each in found:
        size = f"{each.size / 1e6:,.1f} MB"
        counts = (f"{each.encoder.dimension:,}", f"{each.pictures:,}", size)
        listing.add(each.encoder.name, *counts, "yes" if each.has_index else "")
    listing.print()


@embeddings.command()
@prints(Pruned)
def prune(
    encoder: Annotated[
        str | None,
        typer.Option(help="Only embeddings of this encoder. Default: embeddings of all encoders."),
    ] = None,
    unused_for: Annotated[
        str | None,
        typer.Option(
            "--unseen-for",
            metavar="AGE",
            help=(
                "Also remove embeddings of pictures that were last seen longer ago than this. "
                "Give days or hours, such as 365d or 12h."
            ),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remove embeddings of pictures that no record uses now.

    A record uses a picture if the picture came from the record's present address. Embeddings of
    pictures that the harvester stored are not removed, because trainings need them. To remove an
    encoder with all its embeddings: trainer encoders remove NAME.

    Example: worker embeddings prune --unseen-for 365d
    """
    age = None if unused_for is None else parse_age(unused_for)
    engine = open_store()
    with engine.connect() as connection:
        every = stored_encoders(connection)
        chosen = every if encoder is None else [find_encoder(connection, encoder)]
    pruned = prune_embeddings(engine, chosen, every_encoder=encoder is None, unused_for=age)
    removed = counted(pruned.embeddings, "embedding")
    console.print(f"{removed} removed. Postgres uses the free space for new embeddings.")
    if as_json:
        print_json(pruned, Pruned)


@embeddings.command()
@prints(IndexOfEncoder)
def index(
    encoder: Annotated[str, typer.Argument(metavar="ENCODER", help="Name of the encoder.")],
    as_json: AsJson = False,
) -> None:
    """Make an index of an encoder's embeddings, so that `worker similar` answers in milliseconds.

    For a million embeddings, this takes about 15 minutes and 1 GB of the memory of Postgres. Jobs
    can run at the same time. Jobs do not need the index. If there is an index, jobs need more time
    to save embeddings.

    Example: worker embeddings index lite
    """
    engine = open_store()
    with engine.connect() as connection:
        found = find_encoder(connection, encoder)
    is_new = make_index(engine, found)
    said = "was made" if is_new else "exists already"
    console.print(f"The index of {found.name} {said}. Next: worker similar RECORD")
    if as_json:
        print_json(IndexOfEncoder(encoder=found.name, is_new=is_new), IndexOfEncoder)
