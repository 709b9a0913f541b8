"""The metrics of a worker process, for Prometheus: records by outcome, seconds by stage, work in
progress. What all workers have to do is in the store: `worker.store_gauges.py` asks it.

Series that are known at the start begin at 0: Prometheus sees no rise in what begins at 1.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from threading import Lock
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from common.errors import RecordError
from common.process.periodic import PeriodicThread
from common.reasons import Reason
from common.store.tables import Outcome
from common.vision.answers.tally import Tally

Stage = Literal["resolve", "read", "fetch", "decode", "wait", "infer", "explain", "write"]

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0)

RECORDS = Counter("worker_records", "Records by outcome", ["outcome"])
PICTURES = Counter(
    "worker_pictures", "Classified records by what was done about their picture", ["what"]
)  # read, looked_at
SAID = Counter(
    "worker_said",
    "Pictures by what a model said of them, and by the data provider of the record",
    ["model", "provider", "what"],
)  # written, unlike, nothing
CONFIDENCE = Counter(
    "worker_said_confidence",
    "Sum of the confidences, to half a tenth, in the most probable concept of the pictures that "
    "are not unlike: divided by those of worker_said_total, the mean",
    ["model", "provider"],
)
FAILURES = Counter("worker_failures", "Errors of records, final or not", ["stage", "reason"])
CHUNKS = Counter("worker_chunks", "Chunks by the end of the work on them", ["end"])
CHUNKS_IN_WORK = Gauge("worker_chunks_in_work", "Chunks that this process has a lease on")
BATCH = Histogram(
    "worker_batch_pictures",
    "Pictures classified together",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
STAGE_SECONDS = Histogram(
    "worker_stage_seconds",
    "Resolve, read and write: a chunk. Fetch: a request. Decode: a picture, a large one twice. "
    "Wait for a batch: a picture. Infer: a batch. Explain: up to eight pictures",
    ["stage"],
    buckets=_SECONDS,
)
DEVICE = Gauge("worker_device", "1 for the device that this process computes on", ["device"])
SECONDS_SINCE_RUN = Gauge(
    "worker_periodic_seconds_since_run",
    "Seconds since a thread that works again and again last did its work",
    ["thread"],
)

MOST_PROVIDERS = 200  # that have series of their own; a process may see thousands
OTHER, UNKNOWN = "(other)", "(unknown)"  # providers; in brackets, as no museum is named

_ENDED = (*Outcome, "put_off")
_ENDS = ("done", "given_back", "lease_lost", "database_locked", "database_away", "failed")
for _outcome in _ENDED:
    RECORDS.labels(_outcome)
for _end in _ENDS:
    CHUNKS.labels(_end)
for _reason in Reason:
    FAILURES.labels(_reason.stage, _reason.code)

_providers: set[str] = set()
_providers_change = Lock()


def timed(stage: Stage) -> AbstractContextManager[object]:
    return STAGE_SECONDS.labels(stage).time()


def count_records(counts: Mapping[str, int], *, errors: Mapping[str, RecordError]) -> None:
    """Count the outcomes of a chunk; `errors` are those of failed and put-off records.

    `counts`: of the records by outcome, and how many others needed no look (`read`).
    """
    for outcome in _ENDED:
        RECORDS.labels(outcome).inc(counts.get(outcome, 0))
    read = counts.get("read", 0)
    classified = sum(counts.get(each, 0) for each in Outcome if each is not Outcome.FAILED)
    PICTURES.labels("read").inc(read)
    PICTURES.labels("looked_at").inc(classified - read)
    for error in errors.values():
        FAILURES.labels(error.stage, error.reason).inc()


def count_said(model: str, tallies: Mapping[str, Tally]) -> None:
    """Count what a model said, by data provider; of providers the first MOST_PROVIDERS by name."""
    for provider, tally in tallies.items():
        named = _label(provider)
        SAID.labels(model, named, "written").inc(tally.written)
        SAID.labels(model, named, "unlike").inc(tally.unlike)
        SAID.labels(model, named, "nothing").inc(tally.pictures - tally.written - tally.unlike)
        if judged := tally.pictures - tally.unlike:
            CONFIDENCE.labels(model, named).inc(tally.confidence * judged)


def _label(provider: str) -> str:
    with _providers_change:
        if provider not in _providers and len(_providers) >= MOST_PROVIDERS:
            return OTHER
        _providers.add(provider)
    return provider or UNKNOWN


def watch(threads: Iterable[PeriodicThread]) -> None:
    for thread in threads:
        SECONDS_SINCE_RUN.labels(thread.name).set_function(
            partial(getattr, thread, "seconds_since_run")
        )
