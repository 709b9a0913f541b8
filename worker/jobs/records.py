"""The records of a job: from a list, or a selection of the store.

A list has one ID a line; lines without an ID are counted and reported. The IDs of a selection never
leave Postgres: the server copies them into the table from which the chunks are made.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from common.errors import UsageError
from common.europeana.concept_uris import current_concept_uri, is_concept_uri
from common.europeana.record_ids import NO_TEXT, STANDARD_INPUT, TABLE, open_list, read_list
from common.process.terminal.counting import counted
from common.store.records import find_dataset
from worker.jobs.names import MAX_CONDITION, check_name

SHOWN = 10  # names that a message lists
LINES_SHOWN = 10  # bad lines that a message lists


@dataclass(frozen=True, kw_only=True)
class RecordSelection:
    """Records that meet every given condition; without conditions, all records of the store.

    `dataset` and `data_provider` are names. `concept` is a concept that records have in any
    dataset: its URI, or what any vocabulary calls it.

    Raises:
        UsageError: one of them is empty, too long or no plain text.
    """

    dataset: str | None = None
    data_provider: str | None = None
    concept: str | None = None

    def __post_init__(self) -> None:
        check_name(self.dataset, "name of a dataset", longest=MAX_CONDITION)
        check_name(self.data_provider, "data provider", longest=MAX_CONDITION)
        check_name(self.concept, "concept", longest=MAX_CONDITION)


_INSERT = "INSERT INTO submitted (record_id) SELECT id FROM record"
_CONDITIONS = {
    "dataset": "id IN (SELECT record_id FROM dataset_item WHERE dataset_id = :dataset)",
    "data_provider": "data_provider = :data_provider",
    "concept": "id IN (SELECT record_id FROM dataset_item WHERE concept_uri = ANY(:concept))",
}


def submit_selection(connection: Connection, selection: RecordSelection) -> None:
    """Fill the table `submitted` with the IDs of the selected records.

    Raises:
        UsageError: there is no such dataset, data provider or concept; the message lists some.
    """
    asked = {name: value for name, value in asdict(selection).items() if value is not None}
    conditions = [_CONDITIONS[name] for name in asked]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    connection.execute(text(_INSERT + where), _resolved(connection, asked))


def _resolved(connection: Connection, asked: dict[str, str]) -> dict[str, Any]:
    resolved: dict[str, Any] = dict(asked)
    if "dataset" in asked:
        resolved["dataset"] = find_dataset(connection, asked["dataset"])
    if "concept" in asked:
        resolved["concept"] = _concept_uris(connection, asked["concept"])
    if "data_provider" in asked:
        _check_data_provider(connection, asked["data_provider"])
    return resolved


_CONCEPT = text("SELECT uri FROM concept WHERE uri = :uri OR label = :label")
_NAMES = text("""
    SELECT concept_uri, category, CAST(jsonb_path_query_array(labels, '$.*') AS text) AS labels,
           CAST(jsonb_path_query_array(alternatives, '$.*[*]') AS text) AS alternatives
    FROM vocabulary_concept
""")
_LABELS = text("SELECT DISTINCT label FROM concept ORDER BY label LIMIT :shown")
_PROVIDER = text("SELECT 1 FROM record WHERE data_provider = :name LIMIT 1")
_PROVIDERS = text("""
    SELECT DISTINCT data_provider FROM record WHERE data_provider IS NOT NULL
    ORDER BY data_provider LIMIT :shown
""")


def _concept_uris(connection: Connection, concept: str) -> list[str]:
    asked = {"uri": current_concept_uri(concept), "label": concept}
    uris = set(connection.execute(_CONCEPT, asked).scalars())
    if not is_concept_uri(concept):  # else no need to read all vocabularies
        uris.update(_called(connection, concept))
    if not uris:
        labels = connection.execute(_LABELS, {"shown": SHOWN}).scalars().all()
        known = (
            f"Some concepts in the store: {', '.join(labels)}"
            if labels
            else "The store has no concepts"
        )
        raise UsageError(f"There is no concept {concept!r}. {known}.", field="concept")
    return sorted(uris)


def _called(connection: Connection, name: str) -> Iterator[str]:
    """The concepts that a vocabulary calls so, in any language and in upper or lower case.

    Python compares, since a database folds the case of its own locale's letters only.
    """
    wanted = name.casefold()
    for row in connection.execute(_NAMES, execution_options={"yield_per": 1_000}):
        names = (row.category, *json.loads(row.labels), *json.loads(row.alternatives))
        if wanted in map(str.casefold, names):
            yield row.concept_uri


def _check_data_provider(connection: Connection, name: str) -> None:
    if connection.execute(_PROVIDER, {"name": name}).first() is None:
        names = connection.execute(_PROVIDERS, {"shown": SHOWN}).scalars().all()
        raise UsageError(
            f"The store has no record of the data provider {name!r}. Some data providers in "
            f"the store: {', '.join(names) or 'none'}.",
            field="provider",
        )


@dataclass
class RejectedLines:
    """The number of lines without a record ID, and messages on the first few.

    What may be wrong with most lines of a list is reported for the first one only.
    """

    count: int = 0
    first: list[str] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def add(self, place: str, why: str) -> None:
        self.count += 1
        if why not in self._told and len(self.first) < LINES_SHOWN:
            self.first.append(f"{place}: {why}")
            self._told |= {why} & {TABLE, NO_TEXT}

    def __str__(self) -> str:
        left = self.count - len(self.first)
        return "\n  ".join([*self.first, *([f"... and {left:,} more"] if left else [])])


def read_files(sources: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    """The record IDs in files; `-` is standard input.

    Raises:
        UsageError: a file cannot be read.
    """
    for source in sources:
        name = "standard input" if source == STANDARD_INPUT else source
        with open_list(source) as lines:
            yield from read_record_ids(lines, rejected, name=name)


def read_record_ids(lines: Iterable[str], rejected: RejectedLines, *, name: str) -> Iterator[str]:
    """The record IDs in lines of text, in any accepted form; empty lines are skipped."""
    for line in read_list(lines):
        if line.record_id is not None:
            yield line.record_id
        elif line.problem:
            rejected.add(f"{name}, line {line.number}", line.problem)


def leave_out_rejected(record_ids: Iterable[str], rejected: RejectedLines) -> Iterator[str]:
    """Pass record IDs on, and after the last line refuse the list if there was none.

    Raises:
        UsageError: lists the first rejected lines.
    """
    passed = False
    for record_id in record_ids:
        passed = True
        yield record_id
    if rejected.count and not passed:
        raise UsageError(
            f"There is no record to enqueue: the list has {counted(rejected.count, 'line')} "
            f"without a record ID.\n  {rejected}"
        )


def refuse_rejected(
    record_ids: Iterable[str], rejected: RejectedLines, *, leave_out: str
) -> Iterator[str]:
    """Pass record IDs on, and after the last one refuse the list if a line was rejected.

    Args:
        leave_out: what to do to have such lines left out.

    Raises:
        UsageError: lists the first rejected lines.
    """
    yield from record_ids
    if rejected.count:
        raise UsageError(
            f"{counted(rejected.count, 'line has', 'lines have')} no record ID, so no job "
            f"was made. Correct the list, or {leave_out}.\n  {rejected}"
        )
