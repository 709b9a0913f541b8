"""`harvester export`: arguments only."""

from typing import Annotated

import typer

from common.store.session import open_store
from harvester.commands.options import DatasetName
from harvester.csv_exchange import export_dataset


def export(
    name: DatasetName,
    target: Annotated[str, typer.Argument(help="File to write, or - for standard output.")],
) -> None:
    """Write a dataset as CSV: category, skos_concept, URI, URL and ID of each record.

    Several labels of a record are joined by spaces. Lines are in the order of the IDs.

    Example: harvester export --name dataset_3000 dataset_3000.csv
    """
    export_dataset(open_store(), name, target)
