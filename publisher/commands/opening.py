"""What commands that talk to Europeana open: the store, the Annotation API and the pace."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from common.europeana.api import EuropeanaApi
from common.process.settings import PublisherSettings, StoreSettings
from common.process.terminal.console import SafeConsole
from common.store.session import open_store
from publisher.europeana.annotations import AnnotationClient
from publisher.work.pacing import MOST_THREADS, Pace
from publisher.work.sending import Sender
from publisher.work.withdrawing import Withdrawer

console = SafeConsole(stderr=True, highlight=False)


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """A store, and Europeana's APIs."""

    engine: Engine
    search: EuropeanaApi
    annotations: AnnotationClient
    sender: Sender
    withdrawer: Withdrawer


class _Settings(StoreSettings, PublisherSettings):
    pass


@contextmanager
def publishing() -> Iterator[Publishing]:
    """All that publishing needs, by the settings.

    Raises:
        UsageError: a setting is missing or malformed.
        StoreError: the store cannot be reached, or does not serve this program.
    """
    settings = _Settings.read()
    engine = open_store(settings, connections=MOST_THREADS + 4)
    pace = Pace(rate=settings.publish_per_second, patience=settings.publish_patience)
    # A request has ended long before the lease of its publication does.
    timeout = min(30.0, settings.publish_patience / 4)
    with (
        EuropeanaApi(settings) as search,
        AnnotationClient(settings, timeout=timeout, connections=MOST_THREADS) as annotations,
    ):
        yield Publishing(
            engine=engine,
            search=search,
            annotations=annotations,
            sender=Sender(engine, annotations, pace, pages=settings.public_url),
            withdrawer=Withdrawer(engine, annotations, pace),
        )
