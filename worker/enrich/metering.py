"""The parts of the pipeline that come from elsewhere, with a meter on them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from common.fetch.client import Fetched, FetchRequest, ImageFetcher
from common.pictures.decode import PixelBudget
from worker.process import metrics

_NEVER = threading.Event()


class MeteredFetcher(ImageFetcher):
    """Observes how long each request takes, redirects one by one, failed ones too."""

    def step(
        self, request: FetchRequest, cancelled: threading.Event = _NEVER
    ) -> Fetched | FetchRequest:
        """See `ImageFetcher`."""
        with metrics.timed("fetch"):
            return super().step(request, cancelled)


class MeteredBudget(PixelBudget):
    """Tells how many pixels are reserved."""

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        """See `PixelBudget`."""
        with super().reserve(pixels):
            metrics.PIXELS.inc(pixels)
            try:
                yield
            finally:
                metrics.PIXELS.dec(pixels)
