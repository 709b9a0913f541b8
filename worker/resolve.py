"""From a record ID to the pictures that show the record: the store first, the APIs for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Engine, text

from common.errors import ApiError, RateLimitedError, RecordError, TransientRecordError
from common.europeana.api import EuropeanaApi
from common.europeana.metadata import RecordMetadata
from common.images.thumbnails import Picture, PictureUrl, picture_urls
from common.store.records import save_aliases, save_records


@dataclass(frozen=True, kw_only=True)
class Target:
    """A record under its present ID, and the addresses of its picture in order of preference."""

    record_id: str
    pictures: tuple[PictureUrl, ...]


@dataclass(frozen=True)
class _Known:
    record_id: str
    media_url: str | None
    preview_url: str | None


_STORED = text("""
    SELECT asked.id AS asked_id, record.id AS record_id, record.media_url, record.preview_url
    FROM unnest(CAST(:record_ids AS text[])) AS asked(id)
    LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
    JOIN record ON record.id = coalesce(alias.record_id, asked.id)
""")


class Resolver:
    """Finds the pictures of records; remembers in the store what the APIs said."""

    def __init__(self, engine: Engine, api: EuropeanaApi, *, api_url: str) -> None:
        self._engine = engine
        self._api = api
        self._api_url = api_url

    def resolve(
        self, record_ids: Sequence[str], *, picture: str
    ) -> tuple[dict[str, Target], dict[str, RecordError]]:
        """Targets and errors by the ID that was asked for; together they cover all of them."""
        known = self._stored(record_ids)
        missing = [record_id for record_id in record_ids if record_id not in known]
        found, errors = self._ask(missing)
        self._remember(found)
        for asked_id, told in found.items():
            known[asked_id] = _Known(told.id, told.media_url, told.preview_url)
        targets: dict[str, Target] = {}
        for asked_id, record in known.items():
            if pictures := self._pictures(record, picture):
                targets[asked_id] = Target(record_id=record.record_id, pictures=pictures)
            else:
                errors[asked_id] = RecordError("resolve", "no_picture", "no file, no thumbnail")
        return targets, errors

    def _stored(self, record_ids: Sequence[str]) -> dict[str, _Known]:
        with self._engine.connect() as connection:
            rows = connection.execute(_STORED, {"record_ids": list(record_ids)})
            return {
                row.asked_id: _Known(row.record_id, row.media_url, row.preview_url) for row in rows
            }

    def _ask(
        self, record_ids: Sequence[str]
    ) -> tuple[dict[str, RecordMetadata], dict[str, RecordError]]:
        """A search finds a hundred records a request; the Record API those that have moved."""
        errors: dict[str, RecordError] = {}
        try:
            found = {record.id: record for record in self._api.search_ids(record_ids)}
        except ApiError as error:
            return {}, dict.fromkeys(record_ids, _unavailable(error))
        for record_id in record_ids:
            if record_id in found:
                continue
            try:
                found[record_id] = self._api.record(record_id)
            except RecordError as error:
                errors[record_id] = error
            except ApiError as error:
                rest = [each for each in record_ids if each not in found and each not in errors]
                return found, errors | dict.fromkeys(rest, _unavailable(error))
        return found, errors

    def _remember(self, found: dict[str, RecordMetadata]) -> None:
        if not found:
            return
        moved = {asked: record.id for asked, record in found.items() if asked != record.id}
        with self._engine.begin() as connection:
            save_records(connection, found.values())
            save_aliases(connection, moved)

    def _pictures(self, record: _Known, picture: str) -> tuple[PictureUrl, ...]:
        return picture_urls(
            record.media_url,
            record.preview_url,
            picture=cast(Picture, picture),
            api_url=self._api_url,
        )


def _unavailable(error: ApiError) -> TransientRecordError:
    wait = error.seconds if isinstance(error, RateLimitedError) else None
    return TransientRecordError("resolve", "api_unavailable", str(error), retry_after=wait)
