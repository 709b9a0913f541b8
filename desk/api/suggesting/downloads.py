"""Downloads of single pictures for requests that wait, by the rules that hold for workers."""

from collections.abc import Mapping
from contextlib import ExitStack
from threading import Lock

from sqlalchemy import Engine

from common.errors import RecordError
from common.fetch.client import Fetched, PictureFetcher
from common.fetch.download import UnreadBytes, fetch_all
from common.fetch.shared_limits import SharedHostLimiter
from common.process.settings import ImageSettings
from common.reasons import Reason

CONNECTIONS = 16  # downloads at a time, a request
LONGEST_WAIT = 30.0  # seconds for the next picture


class PictureDownloads:
    """Threads share one. It takes part in the limits of hosts from its first download on."""

    def __init__(self, engine: Engine, settings: ImageSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._fetcher = PictureFetcher.from_settings(settings)
        self._limiter: SharedHostLimiter | None = None
        self._unread = UnreadBytes()
        self._opening = Lock()
        self._exits = ExitStack()
        self._exits.callback(self._fetcher.close)

    def close(self) -> None:
        self._exits.close()

    def fetch(self, places: Mapping[int, tuple[str, ...]]) -> dict[int, bytes | RecordError]:
        """The bytes of each picture from the first of its URLs that has it, or the last error."""
        found: dict[int, bytes | RecordError] = {}
        waiting = dict(places)
        while waiting:
            found |= dict.fromkeys(waiting, _too_slow())
            outcomes = fetch_all(
                ((key, urls[0]) for key, urls in waiting.items()),
                fetcher=self._fetcher,
                limiter=self._shared_limits(),
                threads=min(CONNECTIONS, len(waiting)),
                unread=self._unread,
                next_wait=lambda _: LONGEST_WAIT,
            )
            for outcome in outcomes:
                result = outcome.result
                found[outcome.key] = result.content if isinstance(result, Fetched) else result
            waiting = {
                key: urls[1:]
                for key, urls in waiting.items()
                if urls[1:] and isinstance(found[key], RecordError)
            }
        return found

    def _shared_limits(self) -> SharedHostLimiter:
        with self._opening:
            if self._limiter is None:
                limits = SharedHostLimiter.from_settings(self._settings, self._engine)
                self._limiter = self._exits.enter_context(limits)
            return self._limiter


def _too_slow() -> RecordError:
    return Reason.HOST_SLOW.error(f"it did not come within {LONGEST_WAIT:.0f} seconds")
