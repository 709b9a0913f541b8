"""`harvester records`: arguments only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from common.errors import ApiError, UsageError
from common.europeana.api import EuropeanaApi
from common.europeana.vocabulary import load_vocabulary
from common.settings import ApiSettings
from common.store.session import open_store
from harvester.commands.options import DatasetName, VocabJson
from harvester.records import CategoryOutcome, HarvestPlan, harvest_records

REUSABILITIES = ("open", "restricted", "permission")


def records(
    name: DatasetName,
    vocab_json: VocabJson = Path("vocabulary.json"),
    n: Annotated[int, typer.Option(min=1, help="Records to take for each category.")] = 1000,
    reusability: Annotated[str, typer.Option(help="Rights to admit, comma-separated.")] = ",".join(
        REUSABILITIES
    ),
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Take a random sample, the same for the same seed."),
    ] = None,
) -> None:
    """Search Europeana for images of each category and store them as a dataset.

    Goes on where it stopped, however it stopped; repeating a finished harvest changes nothing,
    a larger --n adds to it. Without --seed neighbours in the order of the IDs are taken, which
    are from few data providers: to train, give a seed.

    Example: harvester records --vocab-json vocabulary.json --n 3000 --name dataset_3000 --seed 1
    """
    plan = HarvestPlan(
        name=name,
        vocabulary=load_vocabulary(vocab_json),
        target=n,
        reusability=_reusabilities(reusability),
        seed=seed,
    )
    with EuropeanaApi(ApiSettings.read()) as api:
        outcomes = harvest_records(open_store(), api, plan)
    _report_categories(outcomes)


def _reusabilities(given: str) -> tuple[str, ...]:
    chosen = tuple(value.strip() for value in given.split(","))
    if unknown := [value for value in chosen if value not in REUSABILITIES]:
        raise UsageError(f"--reusability knows {', '.join(REUSABILITIES)}, but not {unknown[0]!r}.")
    return chosen


def _report_categories(outcomes: Sequence[CategoryOutcome]) -> None:
    table = Table("category", "taken", "with this label", "remark")
    for outcome in outcomes:
        table.add_row(outcome.label, f"{outcome.taken:,}", f"{outcome.labelled:,}", outcome.remark)
    Console().print(table)
    if failed := [outcome for outcome in outcomes if outcome.failed]:
        raise ApiError(
            f"{len(failed)} of {len(outcomes)} categories failed, the first with: "
            f"{failed[0].remark} The same command goes on where it was."
        )
    if not any(outcome.labelled for outcome in outcomes):
        raise ApiError("No record was harvested: Europeana has none for these categories.")
