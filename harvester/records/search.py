"""From the Search API into the store: records of each category, as a named dataset.

Every vocabulary concept of a record becomes its label, not only the one that was searched for. So
a dataset may have more records of a category than were asked for.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, Engine, select

from common.errors import UsageError
from common.europeana.api import EuropeanaApi
from common.process.terminal.console import SafeConsole
from common.process.terminal.progress import ProgressReport, progress
from common.store.records import find_dataset
from common.store.tables import HarvestCursor
from harvester.records.category import (
    CategoryHarvest,
    CategoryOutcome,
    HarvestPlan,
    SharedWork,
)
from harvester.records.labelling import prepare_dataset

AT_A_TIME = 4  # categories, so as many requests


def open_dataset(engine: Engine, plan: HarvestPlan) -> int:
    """The number of the dataset of a plan; makes the dataset, unless the plan is an update.

    Raises:
        UsageError: there is no dataset to update, its name is malformed, or it was harvested with
            other options.
    """
    with engine.begin() as connection:
        if plan.update:
            find_dataset(connection, plan.name)
        dataset = prepare_dataset(connection, plan.name, plan.labelling)
        _check_former_searches(connection, dataset, plan)
    return dataset


def harvest_records(
    engine: Engine, api: EuropeanaApi, plan: HarvestPlan, *, dataset: int
) -> list[CategoryOutcome]:
    """Harvest the categories of a plan, AT_A_TIME in parallel; if one fails, the others continue.

    Raises:
        KeyRefusedError, RateLimitedError, UnreachableError: every category would fail. The
            connections of `api` are then closed, to wake threads that wait.
    """
    labels = list(plan.labelling.categories)
    work = SharedWork(engine, api)
    harvests = [CategoryHarvest(work, plan, dataset=dataset, label=label) for label in labels]
    missing = [harvest.missing() for harvest in harvests]
    _announce([harvest for harvest, count in zip(harvests, missing, strict=True) if count])
    with progress("records", total=sum(missing)) as report, ThreadPoolExecutor(AT_A_TIME) as pool:
        shared = _SharedProgress(report)

        def run(harvest: CategoryHarvest) -> CategoryOutcome:
            try:
                return shared.follow(harvest)
            except BaseException:
                work.stopping.set()  # before this thread begins the next category
                raise

        try:
            return list(pool.map(run, harvests))
        except BaseException:
            work.stopping.set()
            api.close()
            raise


def _announce(harvests: Sequence[CategoryHarvest]) -> None:
    if harvests:
        searches = sum(len(harvest.parts) for harvest in harvests)
        told = f"Searches to make, each of a request or more: {searches:,}"
        SafeConsole(stderr=True).print(told, highlight=False)


class _SharedProgress:
    """The progress of all categories; each of them runs in a thread of its own."""

    def __init__(self, report: ProgressReport) -> None:
        self._report = report
        self._lock = threading.Lock()

    def follow(self, harvest: CategoryHarvest) -> CategoryOutcome:
        """Run a category. What Europeana does not have of it is not waited for any longer."""
        expected, taken = harvest.missing(), 0

        def advance(count: int, note: str) -> None:
            nonlocal taken
            taken += count
            with self._lock:
                self._report.advance(count, note=note)

        outcome = harvest.run(advance)
        with self._lock:
            self._report.expect_less(max(0, expected - taken))
        return outcome


def _check_former_searches(connection: Connection, dataset: int, plan: HarvestPlan) -> None:
    former = select(HarvestCursor.search).where(HarvestCursor.dataset_id == dataset)
    for (search,) in connection.execute(former):
        mode = search.get("mode", plan.labelling.mode)
        if mode != plan.labelling.mode:
            raise UsageError(
                f"Dataset {plan.name!r} was harvested with --mode {mode}; use the same mode, "
                "or choose another --dataset."
            )
        if search.get("narrower", False) != plan.labelling.narrower:
            way = "without" if plan.labelling.narrower else "with"
            raise UsageError(
                f"Dataset {plan.name!r} was harvested {way} --narrower; do the same, "
                "or choose another --dataset."
            )
        if plan.update and not plan.repeats(search):
            raise UsageError(
                f"Dataset {plan.name!r} was harvested with another --seed or --reusability "
                f"(sort {search['sort']}, {', '.join(search['reusability'])}); "
                "An update repeats the same search, so give the same options."
            )
