"""What happens to the records of one chunk: resolve, fetch, decode, batch, classify, threshold.

Each chunk in work runs in a thread of its own. The thread decodes while other threads download and
classify. Where cores are scarce, batches go before decoding and older chunks before younger ones:
so chunks end one after the other, and while one begins or waits for its last pictures, others use
the cores.

Three things bound memory: decoders have little of their own, pictures that are not yet decoded
share a budget of bytes, and a chunk keeps only small pixels.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
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
from worker.enrich.models import LoadedModel, Probabilities
from worker.enrich.resolve import RecordResolver, Target
from worker.enrich.stragglers import StragglerWait, wait_for_all
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkOutcome, RecordPrediction

_NEVER = threading.Event()


class MeteredFetcher(PictureFetcher):
    """Measures each request, failed ones and each redirect included."""

    def step(
        self, request: FetchRequest, cancelled: threading.Event = _NEVER
    ) -> Fetched | FetchRequest:
        """See `PictureFetcher`."""
        with metrics.timed("fetch"):
            return super().step(request, cancelled)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """A record, and the one of its pictures that is tried."""

    asked_id: str
    target: Target
    number: int = 0

    @property
    def picture(self) -> PictureUrl:
        return self.target.pictures[self.number]

    @property
    def fallback(self) -> "_Look | None":
        has_more = self.number + 1 < len(self.target.pictures)
        return replace(self, number=self.number + 1) if has_more else None


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A picture that the model classifies; `pixels` only if the job wants heatmaps."""

    look: _Look
    probabilities: "Future[Probabilities]"
    pixels: torch.Tensor | None


class Pipeline:
    """Turns the record IDs of a chunk into outcomes; threads share one."""

    def __init__(
        self,
        resolver: RecordResolver,
        fetcher: PictureFetcher,
        limiter: HostLimiter,
        decoders: Decoders,
        *,
        connections: int,
    ) -> None:
        self._decoders = decoders
        self._resolver = resolver
        self._fetcher = fetcher
        self._limiter = limiter
        self._connections = connections
        self._unread = UnreadBytes()

    def run(
        self, lease: Lease, loaded: LoadedModel, *, on_record: Callable[[], None]
    ) -> ChunkOutcome:
        """Bring each record of the chunk to its outcome.

        `on_record` is called after each picture; an error from it ends the run.
        """
        with metrics.timed("resolve"):
            targets, errors = self._resolver.resolve(lease.record_ids, picture=lease.picture)
        looks = [_Look(asked_id=key, target=target) for key, target in targets.items()]
        seen: list[_Seen] = []
        while looks:
            fallbacks: list[_Look] = []
            for look, result in self._look(looks, loaded, lease):
                on_record()
                if isinstance(result, _Seen):
                    seen.append(result)
                    continue
                errors[look.asked_id] = _more_hopeful(errors.get(look.asked_id), result)
                if look.fallback:
                    fallbacks.append(look.fallback)
            looks = fallbacks
        return _outcome(seen, errors, loaded, on_record)

    def _look(
        self, looks: list[_Look], loaded: LoadedModel, lease: Lease
    ) -> Iterator[tuple[_Look, _Seen | RecordError]]:
        """Fetch, decode and hand to the model, in no order; a failed picture gives its error."""
        outcomes = fetch_all(
            ((look, look.picture.url) for look in looks),
            fetcher=self._fetcher,
            limiter=self._limiter,
            threads=self._connections,
            unread=self._unread,
            next_wait=wait_for_all if lease.is_put_off else StragglerWait(len(looks)),
        )
        awaited = set(looks)
        began = time.monotonic()
        with closing(outcomes):
            for outcome in outcomes:
                awaited.remove(outcome.key)
                seen = self._classify(outcome, loaded, keep_pixels=lease.explain, rank=began)
                yield outcome.key, seen
        for look in awaited:
            yield look, Reason.HOST_SLOW.error("the other hosts delivered long before")

    def _classify(
        self, outcome: FetchOutcome[_Look], loaded: LoadedModel, *, keep_pixels: bool, rank: float
    ) -> _Seen | RecordError:
        if isinstance(outcome.result, RecordError):
            return outcome.result
        preprocessing = loaded.model.description.preprocessing
        try:
            square = self._decoders.square(
                outcome.result.content, preprocessing.square, turn=partial(_turn, rank)
            )
        except RecordError as error:
            return error
        pixels = preprocessing.from_rgb(square.content)
        probabilities = loaded.batcher.submit(pixels)
        kept = pixels if keep_pixels else None
        return _Seen(look=outcome.key, probabilities=probabilities, pixels=kept)


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


def _outcome(
    seen: list[_Seen],
    errors: dict[str, RecordError],
    loaded: LoadedModel,
    on_record: Callable[[], None],
) -> ChunkOutcome:
    outcome = ChunkOutcome()
    for each in seen:
        try:
            _add(outcome, each, loaded)
        except RecordError as error:
            errors[each.look.asked_id] = error
        on_record()
    outcome.errors = {key: error for key, error in errors.items() if key not in outcome.classified}
    return outcome


def _add(outcome: ChunkOutcome, seen: _Seen, loaded: LoadedModel) -> None:
    found = _predictions(seen.look, loaded, seen.probabilities.result())
    outcome.classified[seen.look.asked_id] = seen.look.target.record_id
    outcome.predictions += found
    if found and seen.pixels is not None:
        outcome.pictures[seen.look.picture.url] = seen.pixels


def _predictions(
    look: _Look, loaded: LoadedModel, probabilities: Probabilities
) -> list[RecordPrediction]:
    return [
        RecordPrediction(
            record_id=look.target.record_id,
            concept_uri=found.concept_uri,
            confidence=found.confidence,
            source=look.picture.source,
            image_url=look.picture.url,
        )
        for found in loaded.model.predictions(probabilities)
    ]
