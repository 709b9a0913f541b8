"""Records that a list names by their IDs: looked up, stored, and put into a dataset with labels.

A batch of lines is one transaction; then its lines enter the report, and the next run continues
after them. A temporary file holds the IDs that occurred, so memory does not grow with the list.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Engine

from common.errors import UsageError
from common.europeana.api import MAX_ROWS, EuropeanaApi, LookUp, look_up
from common.europeana.metadata import RecordMetadata, storable
from common.europeana.record_ids import ListedLine
from common.process.terminal.progress import progress
from harvester.datasets.operations import count_records
from harvester.records.labelling import (
    Labelling,
    has_picture,
    prepare_dataset,
    rekey,
    save_labelled,
)
from harvester.records.list_report import LineFate, LineOutcome, ListReport

_FORMER_BATCH = 10_000  # lines in the report of a former run

_SEEN = "CREATE TABLE seen (record_id TEXT PRIMARY KEY) WITHOUT ROWID"
_SEE = """
    INSERT INTO seen SELECT value FROM json_each(?) WHERE true
    ON CONFLICT DO NOTHING RETURNING record_id
"""


@dataclass(frozen=True, kw_only=True)
class GivenOutcome:
    """The number of lines with each outcome, and of lines whose record had moved."""

    lines: Counter[str]
    moved: int


def harvest_given(
    engine: Engine,
    api: EuropeanaApi,
    lines: Iterator[ListedLine],
    *,
    name: str,
    labelling: Labelling,
    report: ListReport,
) -> GivenOutcome:
    """Take the records of a list into a dataset; every line gets a row in the report.

    Raises:
        UsageError: the report belongs to another list, or to another store.
        ApiError: the APIs do not answer; the same call continues later.
    """
    with engine.begin() as connection:
        dataset = prepare_dataset(connection, name, labelling)
        is_empty = count_records(connection, dataset) == 0
    with closing(sqlite3.connect("", isolation_level=None)) as memory:  # a file without a name
        taking = _Taking(engine, api, memory, dataset=dataset, labelling=labelling)
        with progress("lines") as shown:
            for fates in taking.skip_former(lines, report, is_empty=is_empty):
                shown.advance(len(fates), note="taken before")
            while batch := list(islice(lines, MAX_ROWS)):
                report.append(taking.take(batch))
                shown.advance(len(batch), note="")
    return GivenOutcome(lines=taking.counts, moved=taking.moved)


class _Taking:
    """One run over a list; `memory` is a database for the IDs that occurred."""

    def __init__(
        self,
        engine: Engine,
        api: EuropeanaApi,
        memory: sqlite3.Connection,
        *,
        dataset: int,
        labelling: Labelling,
    ) -> None:
        self._engine = engine
        self._api = api
        self._memory = memory
        self._dataset = dataset
        self._labelling = labelling
        self.counts: Counter[str] = Counter()
        self.moved = 0
        memory.execute(_SEEN)

    def skip_former(
        self, lines: Iterator[ListedLine], report: ListReport, *, is_empty: bool
    ) -> Iterator[list[LineFate]]:
        """Skip the lines that are already in the report, batch by batch."""
        former = report.fates()
        while batch := list(islice(former, _FORMER_BATCH)):
            taken = [line for _, line in zip(batch, lines, strict=False)]
            if [storable(line.text) for line in taken] != [fate.given for fate in batch]:
                raise UsageError(
                    f"{report.path} is the report of another list. Give another --report."
                )
            self._count(batch)
            if is_empty and self.counts["labelled"]:
                raise UsageError(
                    f"{report.path} lists records of this dataset, but the dataset is empty; "
                    "give another --report, or remove that file to start again."
                )
            ids = [line.record_id for line in taken if line.record_id]
            self._see([*ids, *(fate.record_id for fate in batch if fate.record_id)])
            yield batch

    def take(self, batch: Sequence[ListedLine]) -> list[LineFate]:
        """Look up the records of some lines and store them; returns what happened to each line."""
        asked = self._see([line.record_id for line in batch if line.record_id])
        looked_up = look_up(self._api, list(asked))
        present = set(looked_up.moved.values())
        taken = present - self._see(list(present)) - asked  # earlier, under their present ID
        self._store(looked_up)
        fates = [self._fate(line, looked_up, waiting=asked, taken=taken) for line in batch]
        self._count(fates)
        return fates

    def _see(self, record_ids: Sequence[str]) -> set[str]:
        """Remember IDs; returns the new ones."""
        return {record_id for (record_id,) in self._memory.execute(_SEE, [json.dumps(record_ids)])}

    def _store(self, looked_up: LookUp) -> None:
        labels = [
            (record, self._labelling.of_record(record) if has_picture(record) else ())
            for record in looked_up.found.values()
        ]
        with self._engine.begin() as connection:
            save_labelled(connection, self._dataset, labels)
            rekey(connection, self._dataset, looked_up.moved)

    def _fate(
        self, line: ListedLine, looked_up: LookUp, *, waiting: set[str], taken: set[str]
    ) -> LineFate:
        """The fate of a line; removes its ID from `waiting`, and adds its record to `taken`."""
        asked = line.record_id
        if asked is None:
            return _fate(line, "rejected" if line.problem else "blank", line.problem)
        if asked not in waiting:
            return _fate(line, "duplicate", record_id=asked)
        waiting.remove(asked)
        if error := looked_up.gone.get(asked):
            return _fate(line, "deleted" if error.reason == "deleted" else "unknown", error.detail)
        record = looked_up.found[asked]
        move = f"moved from {asked}" if record.id != asked else ""
        if record.id in taken:
            return _fate(line, "duplicate", move, record_id=record.id)
        taken.add(record.id)
        outcome, concepts = self._entrance(record)
        detail = "; ".join(part for part in (move, concepts) if part)
        return _fate(line, outcome, detail, record_id=record.id)

    def _entrance(self, record: RecordMetadata) -> tuple[LineOutcome, str]:
        """Whether a record enters the dataset, or why not, and its concepts as text."""
        labels = self._labelling.of_record(record)
        concepts = " ".join(sorted(labels or self._labelling.concepts_on(record)))
        if not has_picture(record):
            return "no_picture", concepts
        if not concepts:
            return "unlabelled", ""
        return ("labelled" if labels else "several"), concepts

    def _count(self, fates: Sequence[LineFate]) -> None:
        self.counts.update(fate.outcome for fate in fates)
        self.moved += sum(fate.detail.startswith("moved from") for fate in fates)


def _fate(
    line: ListedLine, outcome: LineOutcome, detail: str = "", *, record_id: str = ""
) -> LineFate:
    return LineFate(line.number, storable(line.text), record_id, outcome, storable(detail))
