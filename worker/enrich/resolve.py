"""From record IDs to the URLs of their pictures: from the store, and for the rest from the APIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, text

from common.errors import ApiError, RateLimitedError, RecordError
from common.europeana.api import EuropeanaApi, look_up
from common.europeana.metadata import RecordMetadata
from common.pictures.sources import PictureUrl, picture_urls
from common.reasons import Reason
from common.store.records import save_aliases, save_records
from common.store.tables import PictureChoice


@dataclass(frozen=True, kw_only=True)
class PictureTarget:
    """A record under its present ID, and the places of its picture in order of preference.

    `data_provider` is empty if it is unknown.
    """

    record_id: str
    pictures: tuple[PictureUrl, ...]
    data_provider: str


@dataclass(frozen=True)
class _Known:
    record_id: str
    media_url: str | None
    preview_url: str | None
    data_provider: str | None


_STORED = text("""
    SELECT asked.id AS asked_id, record.id AS record_id, record.media_url, record.preview_url,
           record.data_provider
    FROM unnest(CAST(:record_ids AS text[])) AS asked(id)
    LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
    JOIN record ON record.id = coalesce(alias.record_id, asked.id)
""")


class RecordResolver:
    """Threads share one. Without an `api`, it knows the records of the store alone."""

    def __init__(self, engine: Engine, api: EuropeanaApi | None, *, api_url: str) -> None:
        self._engine = engine
        self._api = api
        self._api_url = api_url

    def resolve(
        self, record_ids: Sequence[str], *, picture: PictureChoice
    ) -> tuple[dict[str, PictureTarget], dict[str, RecordError]]:
        """Targets and errors by the given ID; every ID has either."""
        known = self._stored(record_ids)
        found, errors = self._ask([each for each in record_ids if each not in known])
        for asked_id, told in found.items():
            known[asked_id] = _Known(told.id, told.media_url, told.preview_url, told.data_provider)
        targets: dict[str, PictureTarget] = {}
        for asked_id, record in known.items():
            if pictures := picture_urls(
                record.media_url, record.preview_url, picture=picture, api_url=self._api_url
            ):
                targets[asked_id] = PictureTarget(
                    record_id=record.record_id,
                    pictures=pictures,
                    data_provider=record.data_provider or "",
                )
            else:
                errors[asked_id] = Reason.NO_PICTURE.error(
                    "the record has no file and no thumbnail"
                )
        return targets, errors

    def _stored(self, record_ids: Sequence[str]) -> dict[str, _Known]:
        with self._engine.connect() as connection:
            rows = connection.execute(_STORED, {"record_ids": list(record_ids)})
            return {asked_id: _Known(*known) for asked_id, *known in rows}

    def _ask(
        self, record_ids: Sequence[str]
    ) -> tuple[Mapping[str, RecordMetadata], dict[str, RecordError]]:
        if not record_ids:
            return {}, {}
        if self._api is None:
            error = Reason.UNKNOWN_RECORD.error("the store has no record of this ID")
            return {}, dict.fromkeys(record_ids, error)
        try:
            told = look_up(self._api, record_ids)
        except ApiError as error:
            return {}, dict.fromkeys(record_ids, _unavailable(error))
        with self._engine.begin() as connection:
            save_records(connection, told.found.values())
            save_aliases(connection, told.moved)
        return told.found, dict(told.gone)


def _unavailable(error: ApiError) -> RecordError:
    wait = error.seconds if isinstance(error, RateLimitedError) else None
    return Reason.API_UNAVAILABLE.error(str(error), retry_after=wait)
