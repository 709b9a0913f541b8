"""`harvester datasets`: arguments only."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from common.errors import UsageError
from common.process.terminal.command import command_group
from common.process.terminal.confirming import Yes, confirm
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.store.session import open_store
from common.vocabulary.languages import checked_languages
from harvester.datasets.counts import DatasetCounts, count_dataset
from harvester.datasets.operations import (
    DatasetSummary,
    dataset_from_verdicts,
    list_datasets,
    merge_datasets,
    remove_dataset,
    split_dataset,
    subtract_datasets,
)
from harvester.datasets.plot import plot_dataset

_ROWS = 20  # that a table of counts shows

datasets = command_group("List, combine, divide and remove datasets.")

Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
First = Annotated[str, typer.Argument(help="Name of a dataset.")]
Second = Annotated[str, typer.Argument(help="Name of another dataset.")]
NewName = Annotated[str, typer.Option("--dataset", help="Name of the dataset to make.")]


@datasets.command("list")
@prints(list[DatasetSummary])
def list_(as_json: AsJson = False) -> None:
    """List the datasets with their records, categories and stored pictures."""
    found = list_datasets(open_store())
    if as_json:
        print_json(found, list[DatasetSummary])
        return
    numbers = ("records", "categories", "pictures")
    listing = Listing("dataset", *numbers, "vocabulary", "made", numbers=numbers)
    for dataset in found:
        counts = (dataset.records, dataset.categories, dataset.pictures)
        made = f"{dataset.created_at.astimezone():%Y-%m-%d %H:%M}"
        shown = (f"{count:,}" for count in counts)
        listing.add(dataset.name, *shown, dataset.vocabulary or "", made)
    listing.print()


@datasets.command()
@prints(DatasetCounts)
def show(
    name: Name,
    plot: Annotated[Path | None, typer.Option(help="Also draw the counts as a PNG file.")] = None,
    lang: Annotated[
        str | None, typer.Option(help="Languages of labels, your preferred language first: de,fr.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count the records of a dataset by category, data provider, rights and picture.

    A record with several categories is counted in each category.

    Example: harvester datasets show dataset_3000 --plot dataset_3000.png
    """
    counts = count_dataset(open_store(), name, lang and checked_languages(lang))
    if plot:
        plot_dataset(counts, plot)
    if as_json:
        print_json(counts, DatasetCounts)
        return
    SafeConsole().print(f"{name}: {counts.records:,} records")
    _print_counts("category", counts.categories, counts.records)
    _print_counts("data provider", counts.providers, counts.records)
    _print_counts("rights", counts.rights, counts.records)
    _print_counts("picture", counts.pictures, counts.records)


@datasets.command()
def merge(first: First, second: Second, name: NewName) -> None:
    """Make a dataset from the records of two datasets. A record in both datasets gets the labels of
    both.

    Example: harvester datasets merge harvested given --dataset all
    """
    _print_size(name, merge_datasets(open_store(), first, second, name=name))


@datasets.command()
def subtract(first: First, second: Second, name: NewName) -> None:
    """Make a dataset of the records of the first dataset that are not in the second.

    Example: harvester datasets subtract dataset_3000 eval --dataset training
    """
    _print_size(name, subtract_datasets(open_store(), first, second, name=name))


@datasets.command()
def split(
    name: Name,
    fractions: Annotated[
        str, typer.Option(help="The fraction of each part, comma-separated: 0.8,0.2")
    ],
    names: Annotated[
        str, typer.Option(help="The name of each part, comma-separated: training,eval")
    ],
    seed: Annotated[
        int, typer.Option(help="Seed of the random choice. Another seed gives other parts.")
    ] = 0,
) -> None:
    """Divide a dataset at random into new datasets with the same proportions of labels.

    Example: harvester datasets split all --fractions 0.8,0.2 --names training,eval --seed 1
    """
    parts = _parts(names, fractions)
    sizes = split_dataset(open_store(), name, fractions=parts, seed=seed)
    for part, records in sizes.items():
        _print_size(part, records)


@datasets.command("from-verdicts")
def from_verdicts(
    name: Annotated[str, typer.Argument(help="Name of the dataset to make.")],
    data_provider: Annotated[
        str | None, typer.Option(help="Only records of this data provider.")
    ] = None,
) -> None:
    """Make a dataset of the records to which reviewers gave a concept at the desk.

    When heads learn, each of these records counts as much as ten harvested records. Records on
    which reviewers disagree are left out.

    Example: harvester datasets from-verdicts judged --data-provider "The Cleveland Museum of Art"
    """
    made = dataset_from_verdicts(open_store(), name, data_provider=data_provider)
    _print_size(name, made.records)
    if made.disputed:
        SafeConsole().print(f"Left out: {made.disputed:,} records on which reviewers disagree.")
    next_step(f"harvester images --dataset {name}")


@datasets.command()
def remove(name: Name, yes: Yes = False) -> None:
    """Remove a dataset and the progress of its harvest. Its records and pictures stay in the store.

    Example: harvester datasets remove dataset_3000 --yes
    """
    engine = open_store()
    if not yes:
        records = count_dataset(engine, name).records
        confirm(f"Remove dataset {name} with its labels of {records:,} records?")
    records = remove_dataset(engine, name)
    SafeConsole().print(f"Removed dataset {name}. Its {records:,} records stay in the store.")


def _parts(names: str, fractions: str) -> dict[str, Decimal]:
    try:
        shares = [Decimal(share.strip()) for share in fractions.split(",")]
    except InvalidOperation:
        shares = []
    if not shares or not all(share.is_finite() for share in shares):
        raise UsageError(f"--fractions must be numbers such as 0.8,0.2, not {fractions!r}.")
    parts = [name.strip() for name in names.split(",")]
    if len(set(parts)) != len(parts) or len(parts) != len(shares):
        raise UsageError(
            "The number of --fractions and --names must be equal, and all names must be different."
        )
    return dict(zip(parts, shares, strict=True))


def _print_size(name: str, records: int) -> None:
    SafeConsole().print(f"Dataset {name} has {records:,} records.")


def _print_counts(title: str, counts: Mapping[str, int], records: int) -> None:
    listing = Listing(title, "records", "share", numbers=("records", "share"), texts=(title,))
    for name, count in islice(counts.items(), _ROWS):
        listing.add(name, f"{count:,}", f"{count / records:.1%}")
    if (hidden := len(counts) - _ROWS) > 0:
        others = sum(counts.values()) - sum(islice(counts.values(), _ROWS))
        listing.add(f"{hidden:,} others", f"{others:,}", "")
    SafeConsole().print()
    listing.print()
