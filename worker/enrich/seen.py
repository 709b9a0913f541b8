"""What an encoder saw before: pictures of records that need no look, and pictures by their bytes.

A picture answers for a record if it was seen at the record's first place, at the same address. Any
address of the thumbnail is that of the thumbnail. A thumbnail never answers for the file.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Generic, TypeVar

from sqlalchemy import Engine

from common.fetch.client import Fetched
from common.fetch.download import FetchOutcome
from common.pictures.sources import PictureUrl
from common.store.embeddings import PlaceAsked, kept_vectors, read_pictures
from common.vision.answers.heads import Embeddings
from worker.enrich.batcher import Row
from worker.enrich.model_pool import EncoderInStore
from worker.enrich.resolve import PictureTarget


@dataclass(frozen=True, kw_only=True)
class RecordSeen:
    """A record, under the ID that it was enqueued with and its present one, and its picture."""

    asked_id: str
    record_id: str
    data_provider: str
    picture: PictureUrl
    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class RecordsRead:
    """Records with the embeddings (n, dimension) that are kept of their pictures."""

    records: list[RecordSeen]
    embeddings: Embeddings


class SeenPictures:
    """Asks the store; threads share one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(
        self,
        targets: Mapping[str, PictureTarget],
        encoder: EncoderInStore,
        *,
        max_age: timedelta | None,
    ) -> RecordsRead:
        """The records, of those at `targets`, whose pictures need no look."""
        places = [
            (asked_id, target, picture)
            for asked_id, target in targets.items()
            for picture in target.pictures
            if picture.source == target.pictures[0].source
        ]
        asked = [
            PlaceAsked(record_id=target.record_id, source=picture.source, url=picture.url)
            for _, target, picture in places
        ]
        with self._engine.connect() as connection:
            read = read_pictures(
                connection,
                encoder.id,
                asked,
                dimension=encoder.dimension,
                max_age=max_age,
            )
        records = []
        for place, seen_at in zip(read.places, read.seen_at, strict=True):
            asked_id, target, picture = places[place]
            seen = RecordSeen(
                asked_id=asked_id,
                record_id=target.record_id,
                data_provider=target.data_provider,
                picture=picture,
                seen_at=seen_at,
            )
            records.append(seen)
        return RecordsRead(records=records, embeddings=read.vectors)

    def kept(self, encoder: EncoderInStore, pictures: Collection[bytes]) -> dict[bytes, Row]:
        """The embeddings that are kept of these pictures, by their sha256."""
        with self._engine.connect() as connection:
            return dict(kept_vectors(connection, encoder.id, pictures))


Key = TypeVar("Key")


class KnownPictures(Generic[Key]):
    """Pictures that need no second look while a chunk is in work, by the sha256 of their bytes."""

    def __init__(self, seen: SeenPictures, encoder: EncoderInStore) -> None:
        self._seen = seen
        self._encoder = encoder
        self._rows: dict[bytes, Future[Row]] = {}
        self._sha256: dict[Key, bytes] = {}

    def arrived(self, outcomes: Collection[FetchOutcome[Key]]) -> None:
        """Recognise pictures that were fetched, with one question for all of them."""
        arrived = {
            outcome.key: sha256(outcome.result.content).digest()
            for outcome in outcomes
            if isinstance(outcome.result, Fetched)
        }
        self._sha256 |= arrived
        if unknown := set(arrived.values()) - self._rows.keys():
            for picture, row in self._seen.kept(self._encoder, unknown).items():
                future: Future[Row] = Future()
                future.set_result(row)
                self._rows[picture] = future

    def sha256_of(self, key: Key) -> bytes:
        return self._sha256[key]

    def row(self, picture: bytes) -> "Future[Row] | None":
        """What the encoder made of it, or is about to make."""
        return self._rows.get(picture)

    def add(self, picture: bytes, row: "Future[Row]") -> None:
        """A picture that is being looked at now."""
        self._rows[picture] = row
