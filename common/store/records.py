"""Records as the Europeana APIs describe them, into the store; datasets by name."""

from collections.abc import Iterable, Mapping
from operator import attrgetter

from sqlalchemy import Connection, select

from common.errors import UsageError
from common.europeana.metadata import RecordMetadata
from common.store.bulk import upsert
from common.store.tables import Dataset, Record, RecordAlias

_COLUMNS = ("id", "media_url", "preview_url", "rights", "data_provider", "type", "title")
_NAMES_SHOWN = 10


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
