"""Downloads of single pictures for requests that wait, by the rules that hold for workers.

The limits of hosts are those of one more process, and not a share of what all workers may ask: to
get a share of a host takes as long as its picture.
"""

from collections.abc import Mapping

from common.errors import RecordError
from common.fetch.client import Fetched, PictureFetcher
from common.fetch.download import UnreadBytes, fetch_all
from common.fetch.host_limits import LocalHostLimiter
from common.process.settings import ImageSettings
from common.reasons import Reason

CONNECTIONS = 16  # downloads at a time, a request
LONGEST_WAIT = 30.0  # seconds for the next picture


class PictureDownloads:
    """Threads share one."""

    def __init__(self, settings: ImageSettings) -> None:
        self._fetcher = PictureFetcher.from_settings(settings)
        self._limiter = LocalHostLimiter.from_settings(settings)
        self._unread = UnreadBytes()

    def close(self) -> None:
        self._fetcher.close()

    def fetch(self, places: Mapping[int, tuple[str, ...]]) -> dict[int, bytes | RecordError]:
        """The bytes of each picture from the first of its URLs that has it, or the last error."""
        found: dict[int, bytes | RecordError] = {}
        waiting = dict(places)
        while waiting:
            found |= dict.fromkeys(waiting, _too_slow())
            outcomes = fetch_all(
                ((key, urls[0]) for key, urls in waiting.items()),
                fetcher=self._fetcher,
                limiter=self._limiter,
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


def _too_slow() -> RecordError:
    return Reason.HOST_SLOW.error(f"the picture did not arrive within {LONGEST_WAIT:.0f} seconds")
