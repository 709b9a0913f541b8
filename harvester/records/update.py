"""The update of a dataset: its records are read again, by their IDs.

A request reads a hundred records, whether they changed or not. A search for changed records only
(`timestamp_update`) would need as many requests, and would not find records that lost a concept,
moved or were deleted.

`harvested_at` is the time when a record was last read. Records read within `FRESH` are left out, so
an interrupted update continues where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, Engine, text

from common.europeana.api import MAX_ROWS, EuropeanaApi, LookUp, look_up
from common.process.terminal.progress import progress
from harvester.records.labelling import (
    Labelling,
    has_picture,
    rekey,
    remove_lost_labels,
    save_labelled,
)

FRESH = timedelta(hours=12)

_DUE = """
    FROM record WHERE harvested_at < now() - :fresh AND EXISTS (
        SELECT FROM dataset_item AS item
        WHERE item.record_id = record.id AND item.dataset_id = :dataset)
"""
_COUNT_DUE = text(f"SELECT count(*) {_DUE}")
_NEXT_DUE = text(f"SELECT id {_DUE} AND id > :behind ORDER BY id LIMIT {MAX_ROWS}")
_MARK_READ = text("UPDATE record SET harvested_at = now() WHERE id = ANY(:record_ids)")


@dataclass
class UpdateOutcome:
    """What an update found; `gone` has the IDs of deleted and unknown records."""

    read: int = 0
    changed: int = 0
    lost_labels: int = 0
    moved: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)


def update_records(
    engine: Engine, api: EuropeanaApi, *, dataset: int, labelling: Labelling
) -> UpdateOutcome:
    """Read the records of a dataset again, and bring metadata and labels up to date.

    Labels from an imported table stay. Records that Europeana no longer has lose all other labels,
    but stay in the store.

    Raises:
        ApiError: the APIs do not answer; the same call continues later.
    """
    with engine.connect() as connection:
        due = {"dataset": dataset, "fresh": FRESH}
        total = connection.execute(_COUNT_DUE, due).scalar_one()
    outcome = UpdateOutcome()
    with progress("known records", total=total) as shown:
        for record_ids in _batches(engine, dataset):
            looked_up = look_up(api, record_ids)
            with engine.begin() as connection:
                _store(connection, looked_up, dataset, labelling=labelling, outcome=outcome)
                connection.execute(_MARK_READ, {"record_ids": record_ids})
            outcome.read += len(record_ids)
            shown.advance(len(record_ids))
    return outcome


def _batches(engine: Engine, dataset: int) -> Iterator[list[str]]:
    behind = ""
    while True:
        with engine.connect() as connection:
            due = {"dataset": dataset, "fresh": FRESH, "behind": behind}
            record_ids = list(connection.execute(_NEXT_DUE, due).scalars())
        if not record_ids:
            return
        yield record_ids
        behind = record_ids[-1]


def _store(
    connection: Connection,
    looked_up: LookUp,
    dataset: int,
    *,
    labelling: Labelling,
    outcome: UpdateOutcome,
) -> None:
    labels = [
        (record, labelling.of_record(record) if has_picture(record) else frozenset())
        for record in looked_up.found.values()
    ]
    outcome.changed += save_labelled(connection, dataset, labels)
    rekey(connection, dataset, looked_up.moved)
    has = {record.id: concepts for record, concepts in labels} | dict.fromkeys(
        looked_up.gone, frozenset()
    )
    outcome.lost_labels += remove_lost_labels(
        connection, dataset, has, vocabulary=list(labelling.categories.values())
    )
    outcome.moved |= looked_up.moved
    outcome.gone += looked_up.gone
