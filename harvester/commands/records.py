"""`harvester records`: arguments only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from common.errors import ApiError, EnrichmentError, UsageError
from common.europeana.api import EuropeanaApi
from common.europeana.record_ids import open_list, read_list
from common.process.settings import ApiSettings, StoreSettings, read_together
from common.process.terminal.console import SafeConsole
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.store.session import open_store
from harvester.commands.options import (
    WHICH_CONCEPTS,
    Concepts,
    DatasetName,
    RenameLabels,
    VocabJson,
    VocabularyName,
    chosen_vocabulary,
)
from harvester.datasets.operations import without_empty_dataset
from harvester.records.category import CategoryOutcome, HarvestPlan
from harvester.records.given import GivenOutcome, harvest_given
from harvester.records.labelling import Labelling, Mode
from harvester.records.list_report import LineOutcome, ListReport
from harvester.records.search import harvest_records, open_dataset
from harvester.records.searched import chosen_concepts
from harvester.records.update import UpdateOutcome, update_records

REUSABILITIES = ("open", "restricted", "permission")
ALL_REUSABILITIES = ",".join(REUSABILITIES)
PER_CATEGORY = 1000
LISTED = "Records of a list"
SHOWN = 10  # records that Europeana no longer has

OUTCOMES: dict[LineOutcome, str] = {
    "labelled": "in the dataset, with the vocabulary concepts that the record has",
    "unlabelled": "stored, but the record has no concept of the vocabulary",
    "several": "stored, but the record has several concepts, and --mode is single",
    "no_picture": "stored, but the record has neither a file nor a thumbnail",
    "duplicate": "the record is on an earlier line",
    "deleted": "Europeana has deleted the record",
    "unknown": "Europeana has no such record",
    "rejected": "no record ID; the report says why",
    "blank": "nothing on the line",
}

RecordsPerCategory = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of records for each category.", show_default=str(PER_CATEGORY)
    ),
]
Reusability = Annotated[
    str, typer.Option(help="Which rights the records may have, comma-separated.")
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Take a random sample. The same seed gives the same sample."),
]
LabelMode = Annotated[
    Mode,
    typer.Option(
        help="multi: a record enters the dataset with all its concepts of the vocabulary. "
        "single: a record enters only if it has exactly one concept. A broader concept of "
        "this concept is not counted. A record with two categories does not enter and does "
        "not count towards --n."
    ),
]
Narrower = Annotated[
    bool,
    typer.Option(
        "--narrower",
        help="Also search for all narrower concepts, not only for the URI and the exact matches "
        "of a concept. Records of a narrower concept get the label of the concept.",
        rich_help_panel=WHICH_CONCEPTS,
    ),
]
Ids = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Take the records of this list instead of searching. Each line is a record ID, an "
        "item URI or a portal URL. - reads standard input.",
        rich_help_panel=LISTED,
    ),
]
LinesReport = Annotated[
    Path | None,
    typer.Option(
        help="With --ids: CSV file with the outcome of each line. [default: NAME.report.csv]",
        rich_help_panel=LISTED,
    ),
]
Update = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Read a record of the dataset again if it was last read 12 or more hours ago. Then "
        "repeat the finished searches to find new records.",
    ),
]


def records(
    name: DatasetName,
    vocab_json: VocabJson = Path("vocabulary.json"),
    vocabulary: VocabularyName = None,
    n: RecordsPerCategory = None,
    reusability: Reusability = ALL_REUSABILITIES,
    seed: Seed = None,
    mode: LabelMode = "multi",
    concept: Concepts = None,
    narrower: Narrower = False,
    ids: Ids = None,
    report: LinesReport = None,
    update: Update = False,
    rename_labels: RenameLabels = False,
) -> None:
    """Search Europeana for images of each category and store them as a dataset.

    To continue an interrupted harvest, run the same command again. To add records, give a larger
    --n. If you want to train, give a --seed. Without it, you get records of few data providers.

    With --ids, you get the records of a list. A record that Europeana moved enters with its new ID.
    A record without a concept of the vocabulary is stored and reported, but does not enter the
    dataset. The same command continues after the last line of the report. To start again, remove
    the report.

    Examples: harvester records --dataset dataset_3000 --n 3000 --seed 1 ·
    harvester records --dataset rings --vocab-json aat.ttl --concept ring --narrower ·
    harvester records --dataset mine --ids ids.txt
    """
    if ids is not None and (update or seed is not None or n is not None):
        raise UsageError("--ids is for a whole list, so leave out --n, --seed and --update.")
    if ids is None and report is not None:
        raise UsageError("--report needs --ids. The report has the outcome of each line of a list.")
    given = chosen_vocabulary(vocab_json, vocabulary)
    chosen = chosen_concepts(given.content, concept or ())
    labelling = Labelling(given, mode, rename_labels, narrower, chosen)
    plan = HarvestPlan(
        name=name,
        labelling=labelling,
        target=PER_CATEGORY if n is None else n,
        reusability=_reusabilities(reusability),
        seed=seed,
        update=update,
    )
    read_together(StoreSettings, ApiSettings)  # so that all that is missing is named at once
    with EuropeanaApi(ApiSettings.read()) as api:
        if ids is not None:
            _take_list(api, ids, name, labelling=labelling, path=report)
        else:
            _search(api, plan)


def _take_list(
    api: EuropeanaApi, source: str, name: str, *, labelling: Labelling, path: Path | None
) -> None:
    with open_list(source) as lines:
        engine = open_store()
        report = ListReport(path or Path(f"{name}.report.csv"))
        with without_empty_dataset(engine, name):
            outcome = harvest_given(
                engine, api, read_list(lines), name=name, labelling=labelling, report=report
            )
            _report_lines(outcome, report.path)
    next_step(f"harvester images --dataset {name}")


def _search(api: EuropeanaApi, plan: HarvestPlan) -> None:
    engine = open_store()
    with without_empty_dataset(engine, plan.name):
        dataset = open_dataset(engine, plan)
        if plan.update:
            updated = update_records(engine, api, dataset=dataset, labelling=plan.labelling)
            _report_update(updated)
        _report_categories(harvest_records(engine, api, plan, dataset=dataset))
    next_step(f"harvester images --dataset {plan.name}")


def _reusabilities(given: str) -> tuple[str, ...]:
    chosen = tuple(value.strip() for value in given.split(","))
    if unknown := [value for value in chosen if value not in REUSABILITIES]:
        raise UsageError(
            f"--reusability can be {', '.join(REUSABILITIES)}, but not {unknown[0]!r}."
        )
    return chosen


def _report_categories(outcomes: Sequence[CategoryOutcome]) -> None:
    counts = ("taken", "with this label")
    listing = Listing("category", *counts, "remark", numbers=counts, texts=("category", "remark"))
    for outcome in outcomes:
        listing.add(outcome.label, f"{outcome.taken:,}", f"{outcome.labelled:,}", outcome.remark)
    listing.print()
    if failed := [outcome for outcome in outcomes if outcome.failed]:
        raise ApiError(
            f"{len(failed)} of {len(outcomes)} categories failed. The first failed with: "
            f"{failed[0].remark} If you type the same command again, it continues where it stopped."
        )
    if not any(outcome.labelled for outcome in outcomes):
        raise ApiError(
            "No record was harvested, because Europeana has no records for these categories."
        )


def _report_lines(outcome: GivenOutcome, report: Path) -> None:
    listing = Listing("lines", "outcome", "meaning", numbers=("lines",), texts=("meaning",))
    for name, meaning in OUTCOMES.items():
        if count := outcome.lines[name]:
            listing.add(f"{count:,}", name, meaning)
    listing.add(f"{outcome.lines.total():,}", "in all", f"{report} has the outcome of each")
    listing.print()
    console = SafeConsole()
    if outcome.moved:
        console.print(f"Lines with a former ID of a record that Europeana moved: {outcome.moved:,}")
    if not outcome.lines["labelled"]:
        raise EnrichmentError(
            "No record of the list was added to the dataset. The table shows the reasons."
        )


def _report_update(outcome: UpdateOutcome) -> None:
    console = SafeConsole(highlight=False)
    console.print(
        f"{outcome.read:,} records read again: {outcome.changed:,} changed, "
        f"{len(outcome.moved):,} moved, {len(outcome.gone):,} gone; "
        f"{outcome.lost_labels:,} labels lost."
    )
    for record_id in outcome.gone[:SHOWN]:
        console.print(f"  gone: {record_id}")
    if more := outcome.gone[SHOWN:]:
        console.print(f"  and {len(more):,} more")
