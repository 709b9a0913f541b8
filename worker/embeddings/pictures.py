"""The thumbnails of a few records, for a page: fetched politely, and decoded where decoders die."""

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Engine

from common.errors import RecordError
from common.fetch.client import PictureFetcher
from common.fetch.download import fetch_all
from common.fetch.shared_limits import SharedHostLimiter
from common.pictures.decoders import Decoders
from common.pictures.sources import picture_urls
from common.process.settings import ImageSettings
from common.process.terminal.progress import progress
from common.store.tables import PictureChoice
from worker.embeddings.alike import SimilarRecord

SIDE = 300  # pixels
_CONNECTIONS = 8


def fetch_pictures(
    engine: Engine, settings: ImageSettings, records: Sequence[SimilarRecord]
) -> dict[str, bytes]:
    """Files of Europeana's thumbnails, by the record's ID; what cannot be loaded is left out."""
    found: dict[str, bytes] = {}
    places = [
        (each.record_id, picture.url)
        for each in records
        for picture in picture_urls(
            each.media_url,
            each.preview_url,
            picture=PictureChoice.THUMBNAIL,
            api_url=settings.europeana_api_url,
        )
    ]
    with (
        SharedHostLimiter.from_settings(settings, engine) as limiter,
        PictureFetcher.from_settings(settings) as fetcher,
        Decoders(1) as decoders,
        progress("pictures", len(places)) as report,
    ):
        for outcome in fetch_all(places, fetcher=fetcher, limiter=limiter, threads=_CONNECTIONS):
            if not isinstance(outcome.result, RecordError):
                with suppress(RecordError):  # the page shows that it is missing
                    content = outcome.result.content
                    made = decoders.file(content, longest_side=SIDE)
                    found[outcome.key] = made.content or content  # a small one as it came
            report.advance()
    return found
