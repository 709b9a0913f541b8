"""From the Search API into the store: records of each category, as a named dataset.

Each page is one transaction with the cursor that follows it, so a harvest goes on after its last
page however it ended, and repeating a finished one changes nothing.

Every vocabulary concept found on a record becomes a label of it, whichever category it was found
under. A dataset may thus hold more records of a category than were asked for; records with
several labels are for multi-label training, single-label training leaves them out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

import structlog
from sqlalchemy import Connection, Engine, func, select

from common.errors import (
    ApiError,
    CursorRefusedError,
    KeyRefusedError,
    RateLimitedError,
    UnreachableError,
)
from common.europeana.api import (
    FIRST_PAGE,
    MAX_ROWS,
    EuropeanaApi,
    SearchQuery,
    concept_refinement,
)
from common.europeana.metadata import RecordMetadata
from common.europeana.vocabulary import concept_uri_forms
from common.progress import progress
from common.store.bulk import upsert
from common.store.records import save_records
from common.store.tables import Concept, DatasetItem, HarvestCursor
from harvester.datasets import ensure_dataset

# What no other category would fare better with: the harvest ends, to go on another time.
_ENDING = (KeyRefusedError, RateLimitedError, UnreachableError)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class HarvestPlan:
    """What to harvest: `target` records for each concept of the vocabulary (label to URI).

    With a seed the records are a random sample, the same for the same seed; without one they are
    neighbours in the order of their IDs, and thus from few data providers.
    """

    name: str
    vocabulary: Mapping[str, str]
    target: int
    reusability: tuple[str, ...] = ()
    seed: int | None = None

    def query(self, concept: str) -> SearchQuery:
        """The search for the images of one concept."""
        return SearchQuery(
            refinements=(concept_refinement(concept_uri_forms(concept)), "TYPE:IMAGE"),
            reusability=self.reusability,
            sort="europeana_id" if self.seed is None else f"random_{self.seed},europeana_id",
        )


@dataclass(frozen=True, kw_only=True)
class CategoryOutcome:
    """How a category ended: records taken from its search, records that have its label now."""

    label: str
    taken: int
    labelled: int
    remark: str = ""
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Position:
    """How far a category has come; `cursor` is None behind the last page."""

    cursor: str | None = FIRST_PAGE
    taken: int = 0


def harvest_records(engine: Engine, api: EuropeanaApi, plan: HarvestPlan) -> list[CategoryOutcome]:
    """Harvest every category of a plan; a category that fails does not keep the others from it.

    Raises:
        KeyRefusedError, RateLimitedError, UnreachableError: no category could go on.
    """
    with engine.begin() as connection:
        dataset = ensure_dataset(connection, plan.name)
        concepts = [(uri, label) for label, uri in plan.vocabulary.items()]
        upsert(connection, Concept.__table__, ("uri", "label"), concepts, update=("label",))
    return [
        _CategoryHarvest(engine, api, plan, dataset=dataset, label=label).run()
        for label in plan.vocabulary
    ]


class _CategoryHarvest:
    """The harvest of one category."""

    def __init__(
        self, engine: Engine, api: EuropeanaApi, plan: HarvestPlan, *, dataset: int, label: str
    ) -> None:
        self._engine = engine
        self._api = api
        self._dataset = dataset
        self._label = label
        self._target = plan.target
        self._concept = plan.vocabulary[label]
        self._vocabulary = frozenset(plan.vocabulary.values())
        self._query = plan.query(self._concept)

    def run(self) -> CategoryOutcome:
        """Take records until there are enough, or no more."""
        problem = ""
        try:
            self._take_records()
        except _ENDING:
            raise
        except ApiError as error:
            problem = str(error)
        return self._outcome(problem)

    def _take_records(self) -> None:
        try:
            self._go_on_from(self._stored_position())
        except CursorRefusedError:  # it can age when Europeana rebuilds its index
            log.warning("cursor no longer accepted, searching anew", category=self._label)
            self._go_on_from(_Position())

    def _go_on_from(self, position: _Position) -> None:
        missing = self._target - position.taken
        if position.cursor is None or missing <= 0:
            return
        with progress(self._label, total=missing) as report:
            while position.cursor is not None and position.taken < self._target:
                rows = min(MAX_ROWS, self._target - position.taken)
                page = self._api.search_page(self._query, position.cursor, rows=rows)
                records = [record for record in page.records if _has_picture(record)]
                position = _Position(cursor=page.next_cursor, taken=position.taken + len(records))
                with self._engine.begin() as connection:
                    self._store_page(connection, records, position)
                report.advance(len(records), note=f"{page.total:,} at Europeana")

    def _store_page(
        self, connection: Connection, records: Sequence[RecordMetadata], position: _Position
    ) -> None:
        save_records(connection, records)
        items = (
            (self._dataset, record.id, concept, "search")
            for record in records
            for concept in self._vocabulary.intersection(record.concepts) | {self._concept}
        )
        columns = ("dataset_id", "record_id", "concept_uri", "source")
        upsert(connection, DatasetItem.__table__, columns, items)
        self._store_position(connection, position)

    def _stored_position(self) -> _Position:
        stored = select(HarvestCursor.cursor, HarvestCursor.taken).where(
            HarvestCursor.dataset_id == self._dataset,
            HarvestCursor.concept_uri == self._concept,
            HarvestCursor.search == asdict(self._query),
        )
        with self._engine.connect() as connection:
            row = connection.execute(stored).one_or_none()
        return _Position(cursor=row.cursor, taken=row.taken) if row else _Position()

    def _store_position(self, connection: Connection, position: _Position) -> None:
        columns = ("dataset_id", "concept_uri", "search", "cursor", "taken")
        row = (self._dataset, self._concept, asdict(self._query), *astuple(position))
        upsert(connection, HarvestCursor.__table__, columns, [row], update=columns[2:])

    def _outcome(self, problem: str) -> CategoryOutcome:
        labelled = select(func.count()).where(
            DatasetItem.dataset_id == self._dataset, DatasetItem.concept_uri == self._concept
        )
        with self._engine.connect() as connection:
            count = connection.execute(labelled).scalar_one()
        taken = self._stored_position().taken
        few = "Europeana has no more" if taken else "Europeana has none"
        return CategoryOutcome(
            label=self._label,
            taken=taken,
            labelled=count,
            remark=problem or (few if taken < self._target else ""),
            failed=bool(problem),
        )


def _has_picture(record: RecordMetadata) -> bool:
    return record.media_url is not None or record.preview_url is not None
