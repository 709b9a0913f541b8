"""Records as the Europeana APIs describe them, and concepts, into the store; datasets by name."""

from collections.abc import Iterable, Mapping
from operator import attrgetter

from sqlalchemy import Connection, select

from common.errors import UsageError
from common.europeana.metadata import RecordMetadata
from common.store.bulk import upsert
from common.store.tables import Concept, Dataset, Record, RecordAlias

_COLUMNS = ("id", "media_url", "preview_url", "rights", "data_provider", "type", "title")
_NAMES_SHOWN = 10
MOST_NAMED = 5  # labels in a message


def save_records(connection: Connection, records: Iterable[RecordMetadata]) -> int:
    """Insert or update records; returns how many were new or had changed."""
    rows = map(attrgetter(*_COLUMNS), records)
    return upsert(connection, Record.__table__, _COLUMNS, rows, update=_COLUMNS[1:])


def save_aliases(connection: Connection, present_ids: Mapping[str, str]) -> None:
    columns = ("old_id", "record_id")
    upsert(connection, RecordAlias.__table__, columns, present_ids.items(), update=("record_id",))


def find_dataset(connection: Connection, name: str) -> int:
    """The number of a dataset.

    Raises:
        UsageError: there is none of that name; the message names those that exist.
    """
    number = connection.scalar(select(Dataset.id).where(Dataset.name == name))
    if number is None:
        raise UsageError(f"There is no dataset {name!r}; {_existing(connection)}.")
    return number


def _existing(connection: Connection) -> str:
    names = connection.scalars(select(Dataset.name).order_by(Dataset.name)).all()
    if not names:
        return "there is none at all yet, make one with: harvester records"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"there are: {', '.join(names[:_NAMES_SHOWN])}{more}"


def keep_concepts(
    connection: Connection, labels: Mapping[str, str], *, rename: bool = False
) -> None:
    """Store concepts.

    Args:
        labels: the label of each concept URI.
        rename: give concepts that the store calls otherwise these labels.

    Raises:
        UsageError: the store has other labels for some, and `rename` is not set.
    """
    known = select(Concept.uri, Concept.label).where(Concept.uri.in_(labels))
    upsert(
        connection,
        Concept.__table__,
        ("uri", "label"),
        labels.items(),
        update=("label",) if rename else (),
    )
    others = {uri: label for uri, label in connection.execute(known).all() if label != labels[uri]}
    if others:
        raise UsageError(_refusal(others, labels))


def _refusal(known: Mapping[str, str], given: Mapping[str, str]) -> str:
    named = [
        f"{uri} is {label!r} in the store and {given[uri]!r} here"
        for uri, label in sorted(known.items())[:MOST_NAMED]
    ]
    more = f"; and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return (
        f"Some concepts have other labels in the store: {'; '.join(named)}{more}. "
        "Nothing was changed. Use the labels of the store. Or rename the concepts in all datasets, "
        "models and exports: repeat the command with --rename-labels."
    )
