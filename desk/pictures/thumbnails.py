"""Pictures of records for pages: Europeana's thumbnails, or the provider's file for a large view.

Another process decodes each picture, because a harmful file may crash it. Browsers get a picture
only if that process could decode it. The desk remembers a failure for a while, so that a page with
dead links does not ask the same hosts again and again.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import Engine, text

from common.errors import EnrichmentError, RecordError
from common.fetch.client import PictureFetcher
from common.pictures.decoders import Decoders
from common.pictures.sources import picture_urls
from common.process.settings.desk import DeskSettings
from common.reasons import Reason
from common.store.tables import PictureChoice
from desk.pictures.kept_files import KeptFiles

SIDE = 400  # pixels, as wide as Europeana's thumbnails
FORGOTTEN_AFTER = 300.0  # seconds that a failure is remembered
MOST_FAILURES = 10_000  # failures that are remembered
AT_A_TIME = 8  # pictures being fetched
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
_RECORD = text("SELECT media_url, preview_url FROM record WHERE id = :record_id")


@dataclass(frozen=True, kw_only=True)
class ShownPicture:
    """A picture in one of the four media types that browsers can show."""

    content: bytes
    media_type: str


class Thumbnails:
    """The pictures of records. Threads share one object."""

    def __init__(self, engine: Engine, settings: DeskSettings) -> None:
        self._engine = engine
        self._api_url = settings.europeana_api_url
        self._fetcher = PictureFetcher.from_settings(settings)
        self._decoders = Decoders(places=1)
        self._kept = KeptFiles(settings.desk_cache_dir, most_bytes=settings.desk_cache_bytes)
        self._failures: OrderedDict[str, float] = OrderedDict()
        self._places = threading.BoundedSemaphore(AT_A_TIME)
        self._lock = threading.Lock()

    def close(self) -> None:
        self._decoders.close()
        self._fetcher.close()

    def of_record(
        self,
        record_id: str,
        *,
        picture: PictureChoice = PictureChoice.THUMBNAIL,
        side: int = SIDE,
        is_again: bool = False,
    ) -> ShownPicture | None:
        """The thumbnail of a record, or another picture of it; None if it is not available now.

        Args:
            is_again: the person asks again, so ignore a remembered failure.
        """
        with self._engine.connect() as connection:
            record = connection.execute(_RECORD, {"record_id": record_id}).one_or_none()
        if record is None:
            return None
        places = picture_urls(
            record.media_url,
            record.preview_url,
            picture=picture,
            api_url=self._api_url,
        )
        found = (self._at(each.url, side, is_again=is_again) for each in places)
        return next(filter(None, found), None)

    def _at(self, url: str, side: int, *, is_again: bool) -> ShownPicture | None:
        key = url if side == SIDE else f"{side} {url}"
        if (kept := self._kept.get(key)) and (known := _unpacked(kept)):
            return known
        if self._has_failed(url) and not is_again:
            return None
        try:
            with self._places:
                picture = self._fetched(url, side)
            self._kept.put(key, _packed(picture))
        except RecordError:
            self._remember_failure(url)
            return None
        except EnrichmentError:  # the disk is full, but the page can still show the picture
            return picture
        return picture

    def _fetched(self, url: str, side: int) -> ShownPicture:
        content = self._fetcher.fetch(url).content
        made = self._decoders.file(content, longest_side=side)
        if made.content:
            return ShownPicture(content=made.content, media_type=_TYPES["JPEG"])
        media_type = _TYPES.get(made.format)
        if media_type is None:  # the cached bytes are in a form that browsers do not show
            raise Reason.UNSUPPORTED_IMAGE.error(made.format)
        return ShownPicture(content=content, media_type=media_type)

    def _has_failed(self, url: str) -> bool:
        with self._lock:
            failed_at = self._failures.get(url)
            return failed_at is not None and time.monotonic() - failed_at < FORGOTTEN_AFTER

    def _remember_failure(self, url: str) -> None:
        with self._lock:
            self._failures[url] = time.monotonic()
            self._failures.move_to_end(url)
            while len(self._failures) > MOST_FAILURES:
                self._failures.popitem(last=False)


def _packed(picture: ShownPicture) -> bytes:
    return picture.media_type.encode() + b"\n" + picture.content


def _unpacked(kept: bytes) -> ShownPicture | None:
    media_type, _, content = kept.partition(b"\n")
    known = media_type.decode(errors="replace")
    return ShownPicture(content=content, media_type=known) if known in _TYPES.values() else None
