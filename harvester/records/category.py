"""One category of a harvest: the search for a concept, page by page, into the store.

Each page and the cursor that follows it are one transaction. So an interrupted search continues
after its last page, and repeating a finished search changes nothing.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, func, select

from common.errors import (
    ApiError,
    CursorRefusedError,
    KeyRefusedError,
    RateLimitedError,
    UnreachableError,
)
from common.europeana.api import EuropeanaApi, SearchQuery, concept_refinement, query_batches
from common.europeana.concept_uris import current_concept_uri
from common.europeana.metadata import RecordMetadata
from common.store.bulk import upsert
from common.store.tables import DatasetItem, HarvestCursor
from harvester.records.labelling import Labelling, has_picture, save_labelled
from harvester.records.position import SearchPosition

# Errors that every category would meet: the harvest ends, and continues another time.
ENDING = (KeyRefusedError, RateLimitedError, UnreachableError)

Advance = Callable[[int, str], None]  # gets the number of records taken, and a note

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class HarvestPlan:
    """What to harvest: `target` records for each concept of the vocabulary.

    With a seed the records are a random sample, and the same seed gives the same sample. Without a
    seed they are neighbours in the order of their IDs, so from few data providers. `update` repeats
    finished searches, for records that are new at Europeana.
    """

    name: str
    labelling: Labelling
    target: int
    reusability: tuple[str, ...] = ()
    seed: int | None = None
    update: bool = False

    def parts(self, concept: str) -> tuple[tuple[str, ...], ...]:
        """The URIs that stand for a concept, in as many parts as there must be queries."""
        return tuple(map(tuple, query_batches(self.labelling.searched.forms(concept))))

    def query(self, *parts: Sequence[str]) -> SearchQuery:
        return SearchQuery(
            refinements=(*map(concept_refinement, parts), "TYPE:IMAGE"),
            reusability=self.reusability,
            sort="europeana_id" if self.seed is None else f"random_{self.seed},europeana_id",
        )

    def repeats(self, former: Mapping[str, Any]) -> bool:
        """Whether a stored search has this order and these rights."""
        query = self.query()
        same = (query.sort, list(query.reusability))
        return (former["sort"], former["reusability"]) == same

    def search(self, concept: str) -> dict[str, Any]:
        """Everything that a stored cursor depends on, as JSON."""
        members = {**asdict(self.query(*self.parts(concept))), "mode": self.labelling.mode}
        members |= {"narrower": True} if self.labelling.narrower else {}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in members.items()
        }


@dataclass(frozen=True, kw_only=True)
class CategoryOutcome:
    """The result of a category: records taken from its search, and records with its label now."""

    label: str
    taken: int
    labelled: int
    remark: str = ""
    failed: bool = False


@dataclass(frozen=True)
class SharedWork:
    """What the categories of a harvest share; once `stopping` is set, all end after a page."""

    engine: Engine
    api: EuropeanaApi
    stopping: threading.Event = field(default_factory=threading.Event)


class CategoryHarvest:
    """`parts` are the URIs that stand for the concept; each part is a search of its own."""

    def __init__(self, work: SharedWork, plan: HarvestPlan, *, dataset: int, label: str) -> None:
        self._work = work
        self._dataset = dataset
        self._label = label
        self._target = plan.target
        self._update = plan.update
        self._labelling = plan.labelling
        self._concept = plan.labelling.categories[label]
        self.parts = plan.parts(self._concept)
        self._queries = [plan.query(part) for part in self.parts]
        self._search = plan.search(self._concept)

    def missing(self) -> int:
        """How many records to take, if Europeana has as many."""
        position = self._first_position()
        return 0 if position.is_finished else max(0, self._target - position.taken)

    def run(self, advance: Advance) -> CategoryOutcome:
        problem = ""
        try:
            self._take_records(advance)
        except ENDING:
            raise
        except ApiError as error:
            problem = str(error)
        return self._outcome(problem)

    def _take_records(self, advance: Advance) -> None:
        try:
            self._go_on_from(self._first_position(), advance)
        except CursorRefusedError:  # cursors become invalid when Europeana rebuilds its index
            log.warning(
                "Europeana no longer accepts the cursor. The search starts again.",
                category=self._label,
            )
            self._go_on_from(self._start, advance)

    @property
    def _start(self) -> SearchPosition:
        return SearchPosition.at_start(len(self.parts))

    def _first_position(self) -> SearchPosition:
        stored = self._stored_position()
        return self._start if self._update and stored.is_finished else stored

    def _go_on_from(self, position: SearchPosition, advance: Advance) -> None:
        while following := position.next_page(self._target):
            if self._work.stopping.is_set():
                return
            number, rows = following
            page = self._work.api.search_page(
                self._queries[number], str(position.parts[number].cursor), rows=rows
            )
            labels = self._admitted(page.records, number)
            position = position.after(number, page.next_cursor, len(labels))
            with self._work.engine.begin() as connection:
                save_labelled(connection, self._dataset, labels)
                self._store_position(connection, position)
            advance(len(labels), f"{self._label}: {page.total:,} at Europeana")

    def _admitted(
        self, records: Sequence[RecordMetadata], number: int
    ) -> list[tuple[RecordMetadata, frozenset[str]]]:
        """The records of a part that get the concept, without those that an earlier part finds."""
        earlier = {current_concept_uri(uri) for part in self.parts[:number] for uri in part}
        labels = (
            (record, self._labelling.of_record(record, known=(self._concept,)))
            for record in records
            if has_picture(record) and earlier.isdisjoint(record.concepts)
        )
        return [(record, concepts) for record, concepts in labels if self._concept in concepts]

    def _stored_position(self) -> SearchPosition:
        stored = select(HarvestCursor.cursor, HarvestCursor.taken).where(
            HarvestCursor.dataset_id == self._dataset,
            HarvestCursor.concept_uri == self._concept,
            HarvestCursor.search == self._search,
        )
        with self._work.engine.connect() as connection:
            row = connection.execute(stored).one_or_none()
        if row is None:
            return self._start
        return SearchPosition.from_stored(row.cursor, row.taken, parts=len(self.parts))

    def _store_position(self, connection: Connection, position: SearchPosition) -> None:
        columns = ("dataset_id", "concept_uri", "search", "cursor", "taken")
        row = (self._dataset, self._concept, self._search, *position.stored())
        upsert(connection, HarvestCursor.__table__, columns, [row], update=columns[2:])

    def _outcome(self, problem: str) -> CategoryOutcome:
        labelled = select(func.count()).where(
            DatasetItem.dataset_id == self._dataset, DatasetItem.concept_uri == self._concept
        )
        with self._work.engine.connect() as connection:
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
