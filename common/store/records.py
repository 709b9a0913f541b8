"""Records as the Europeana APIs describe them, into the store."""

from collections.abc import Iterable, Mapping
from operator import attrgetter

from sqlalchemy import Connection

from common.europeana.api import RecordMetadata
from common.store.bulk import upsert
from common.store.tables import Record, RecordAlias

_COLUMNS = ("id", "media_url", "preview_url", "rights", "data_provider", "type", "title")


def save_records(connection: Connection, records: Iterable[RecordMetadata]) -> int:
    """Insert records, bring known ones up to date; returns how many were new or had changed."""
    rows = map(attrgetter(*_COLUMNS), records)
    return upsert(connection, Record.__table__, _COLUMNS, rows, update=_COLUMNS[1:])


def save_aliases(connection: Connection, present_ids: Mapping[str, str]) -> None:
    """Remember the present ID of records that were asked for by an ID they had before."""
    columns = ("old_id", "record_id")
    upsert(connection, RecordAlias.__table__, columns, present_ids.items(), update=("record_id",))
