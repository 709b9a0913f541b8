"""Looking at pictures: fetch, decode, hand to the network.

Each chunk in work runs in a thread of its own. The thread decodes while other threads download and
compute. Where cores are scarce, batches go before decoding and older chunks before younger ones: so
chunks end one after the other, and while one begins or waits for its last pictures, others use the
cores.

Three things bound memory: decoders have little of their own, pictures that are not yet decoded
share a budget of bytes, and a chunk keeps only small pixels.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from common.errors import RecordError, TransientRecordError
from common.fetch.client import Fetched, FetchRequest, PictureFetcher
from common.fetch.download import FetchOutcome, UnreadBytes, fetch_all
from common.fetch.host_limits import HostLimiter
from common.pictures.decoders import Decoders
from common.pictures.sources import PictureUrl
from common.process.cores import cores
from common.reasons import Reason
from worker import metrics
from worker.enrich.batcher import Row
from worker.enrich.model_pool import ModelsInUse
from worker.enrich.resolve import PictureTarget
from worker.enrich.seen import KnownPictures, SeenPictures
from worker.enrich.stragglers import StragglerWait, wait_for_all
from worker.ledger.chunks import Lease

_NEVER = threading.Event()


class MeteredFetcher(PictureFetcher):
    """Measures each request, failed ones and each redirect included."""

    def step(
        self, request: FetchRequest, cancelled: threading.Event = _NEVER
    ) -> Fetched | FetchRequest:
        with metrics.timed("fetch"):
            return super().step(request, cancelled)


@dataclass(frozen=True, kw_only=True)
class Look:
    """A record, and the one of its pictures that is tried."""

    asked_id: str
    target: PictureTarget
    number: int = 0

    @property
    def picture(self) -> PictureUrl:
        return self.target.pictures[self.number]

    @property
    def fallback(self) -> "Look | None":
        has_more = self.number + 1 < len(self.target.pictures)
        return replace(self, number=self.number + 1) if has_more else None


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """A picture and what the network makes of it.

    `sha256` is that of its bytes, for an encoder. `pixels` are there if the job wants heatmaps.
    """

    look: Look
    row: "Future[Row]"
    sha256: bytes | None
    pixels: torch.Tensor | None


@dataclass(frozen=True)
class Looks:
    """What became of looks: pictures, and errors by the ID that a record was enqueued with.

    A record may have an error and a picture, that of another place.
    """

    pictures: list[LookedAt] = field(default_factory=list)
    errors: dict[str, RecordError] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Eyes:
    """What a chunk looks with; `known` are the pictures that its encoder needs not see again."""

    models: ModelsInUse
    known: KnownPictures[Look] | None
    keep_pixels: bool
    rank: float = field(default_factory=time.monotonic)


class Looker:
    """Looks at pictures; threads share one."""

    def __init__(
        self,
        fetcher: PictureFetcher,
        limiter: HostLimiter,
        decoders: Decoders,
        seen: SeenPictures,
        *,
        connections: int,
    ) -> None:
        self._fetcher = fetcher
        self._limiter = limiter
        self._decoders = decoders
        self._seen = seen
        self._connections = connections
        self._unread = UnreadBytes()

    def look_at(
        self,
        looks: Sequence[Look],
        models: ModelsInUse,
        lease: Lease,
        *,
        on_record: Callable[[], None],
    ) -> Looks:
        """Look at each record's pictures, one after the other until one can be seen.

        `on_record` is called after each picture; an error from it ends the work.
        """
        known: KnownPictures[Look] | None = None
        if models.encoder:
            known = KnownPictures(self._seen, models.encoder)
        eyes = _Eyes(models=models, known=known, keep_pixels=lease.explain)
        found = Looks()
        while looks:
            fallbacks: list[Look] = []
            for look, result in self._look(looks, eyes, lease):
                on_record()
                if isinstance(result, LookedAt):
                    found.pictures.append(result)
                    continue
                first = found.errors.get(look.asked_id)
                found.errors[look.asked_id] = _more_hopeful(first, result)
                if look.fallback:
                    fallbacks.append(look.fallback)
            looks = fallbacks
        return found

    def _look(
        self, looks: Sequence[Look], eyes: _Eyes, lease: Lease
    ) -> Iterator[tuple[Look, LookedAt | RecordError]]:
        """In no order; a failed picture gives its error."""
        outcomes = fetch_all(
            ((look, look.picture.url) for look in looks),
            fetcher=self._fetcher,
            limiter=self._limiter,
            threads=self._connections,
            unread=self._unread,
            next_wait=wait_for_all if lease.is_put_off else StragglerWait(len(looks)),
            arrived=eyes.known.arrived if eyes.known else None,
        )
        awaited = set(looks)
        with closing(outcomes):
            for outcome in outcomes:
                awaited.remove(outcome.key)
                yield outcome.key, self._see(outcome, eyes)
        for look in awaited:
            yield look, Reason.HOST_SLOW.error("the pictures of other hosts arrived much earlier")

    def _see(self, outcome: FetchOutcome[Look], eyes: _Eyes) -> LookedAt | RecordError:
        if isinstance(outcome.result, RecordError):
            return outcome.result
        sha256 = eyes.known.sha256_of(outcome.key) if eyes.known else None
        row = eyes.known.row(sha256) if eyes.known and sha256 else None
        if row is not None and not eyes.keep_pixels:
            return LookedAt(look=outcome.key, row=row, sha256=sha256, pixels=None)
        preprocessing = eyes.models.preprocessing
        try:
            pixels = self._decoders.pixels(
                outcome.result.content,
                preprocessing.square,
                preprocessing.from_pixels,
                hold=partial(_turn, eyes.rank),
            )
        except RecordError as error:
            return error
        if row is None:
            row = eyes.models.network().batcher.submit(pixels)
            if eyes.known and sha256:
                eyes.known.add(sha256, row)
        kept = pixels if eyes.keep_pixels else None
        return LookedAt(look=outcome.key, row=row, sha256=sha256, pixels=kept)


@contextmanager
def _turn(rank: float) -> Iterator[None]:
    with cores.turn(rank), metrics.timed("decode"):
        yield


def _more_hopeful(first: RecordError | None, second: RecordError) -> RecordError:
    """The error that may pass, if one of the two does; else the first."""
    if first is None:
        return second
    passes = isinstance(second, TransientRecordError)
    return second if passes and not isinstance(first, TransientRecordError) else first
