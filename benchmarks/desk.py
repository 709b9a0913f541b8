"""How long pages of the desk take: a million enrichments, 20,000 verdicts, ten reviewers at work.

    python -m benchmarks.desk [--enrichments 1000000] [--seconds 60] [--requests 10000]

A real `desk serve` on a real Postgres. Ten reviewers request grids with all kinds of filters, jobs
and models, and send verdicts. After each answer a reviewer pauses as long as a person looks
(`PAUSE`). `p95_ms` is by kind of page. Then the desk answers `--requests` more requests. Its memory
after these is compared with its memory after the first tenth of them. `benchmarks.audit` measures
the draw of an audit.
"""

import random
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import psutil
import requests
import typer

from benchmarks.parts.desk_service import (
    PROVIDERS,
    DeskService,
    desk_service,
    fill_store,
    log_in,
    new_verdict,
)
from benchmarks.parts.drawn_models import CONCEPTS
from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.services import store_and_broker

REVIEWERS = 10
PAUSE = 0.5  # seconds that a reviewer looks, on average
MILLISECONDS = 1_000
PERCENTILE = 95


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A kind of request, and how often it occurs."""

    kind: str
    weight: int


KINDS = (
    Asking(kind="grid", weight=6),
    Asking(kind="judge", weight=2),
    Asking(kind="job", weight=1),
    Asking(kind="model", weight=1),
    Asking(kind="verdict", weight=6),
)


class Reviewer:
    """Requests random pages, and notes how long each took."""

    def __init__(self, desk: DeskService, records: int, seed: int) -> None:
        self._desk = desk
        self._records = records
        self._random = random.Random(seed)
        self._session = requests.Session()
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self.largest = 0
        self.failed = 0
        self._csrf = log_in(self._session, desk, seed)

    def ask(self) -> None:
        """Send one request of a random kind."""
        weights = [each.weight for each in KINDS]
        (kind,) = self._random.choices([each.kind for each in KINDS], weights)
        before = time.perf_counter()
        answer = self._verdict() if kind == "verdict" else self._page(kind)
        self.took[kind].append(MILLISECONDS * (time.perf_counter() - before))
        self.failed += answer.status_code != requests.codes.ok
        if kind != "verdict":
            self.largest = max(self.largest, len(answer.content))

    def _page(self, kind: str) -> requests.Response:
        paths = {"job": f"/jobs/{self._desk.job}", "model": "/models/measured@1"}
        path = paths.get(kind) or f"/{'see' if kind == 'grid' else 'judge'}?{self._filters()}"
        return self._session.get(self._desk.url + path, timeout=60)

    def _filters(self) -> str:
        """A random filter: by job, provider, concept, confidence or verdict."""
        chance = self._random
        asked: dict[str, object] = chance.choice(
            [{"job": self._desk.job}, {"provider": chance.choice(PROVIDERS)}, {}]
        )
        asked |= chance.choice([{}, {"concept": chance.choice(CONCEPTS)}])
        asked |= chance.choice([{}, {"lowest": 90}, {"lowest": 50, "highest": 55}])
        asked |= chance.choice([{}, {"judged": chance.choice(["no", "yes", "disputed"])}])
        return urlencode(asked)

    def _verdict(self) -> requests.Response:
        return self._session.post(
            self._desk.url + "/verdicts",
            data=new_verdict(self._records, self._csrf, self._random),
            headers={"Accept": "application/json"},
            timeout=60,
        )


def at_work(desk: DeskService, records: int, seconds: float) -> list[Reviewer]:
    """Let reviewers work side by side for `seconds`, and return them."""
    reviewers = [Reviewer(desk, records, seed) for seed in range(REVIEWERS)]
    until = time.monotonic() + seconds

    def work(reviewer: Reviewer) -> None:
        chance = random.Random(id(reviewer))
        while time.monotonic() < until:
            reviewer.ask()
            time.sleep(chance.uniform(0, 2 * PAUSE))

    with ThreadPoolExecutor(REVIEWERS) as threads:
        list(threads.map(work, reviewers))
    return reviewers


def memory_over(desk: DeskService, records: int, count: int) -> float:
    """Memory after `count` requests / memory after a tenth of them."""
    process = psutil.Process(desk.pid)
    taken, lock = iter(range(count)), threading.Lock()
    early: list[int] = []

    def work(seed: int) -> None:
        reviewer = Reviewer(desk, records, 1_000 + seed)
        while True:
            with lock:
                number = next(taken, None)
            if number is None:
                return
            if number == count // 10:
                early.append(process.memory_info().rss)
            reviewer.ask()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    late: int = process.memory_info().rss
    return late / early[0]


def measured(desk: DeskService, *, records: int, seconds: float, count: int) -> dict[str, float]:
    at_work(desk, records, min(10.0, seconds))  # a warm-up: first requests are slow
    reviewers = at_work(desk, records, seconds)
    figures: dict[str, float] = {}
    for kind in (each.kind for each in KINDS):
        took = [each for reviewer in reviewers for each in reviewer.took[kind]]
        figures[f"{kind}_p95_ms"] = statistics.quantiles(took, n=100)[PERCENTILE - 1]
        figures[f"{kind}_median_ms"] = statistics.median(took)
    figures["requests"] = sum(len(took) for each in reviewers for took in each.took.values())
    figures["failed"] = sum(each.failed for each in reviewers)
    figures["largest_page_kb"] = max(each.largest for each in reviewers) / 1_000
    figures["memory_ratio"] = memory_over(desk, records, count)
    return figures


def main(
    enrichments: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
    verdicts: Annotated[int, typer.Option(min=100)] = 20_000,
    seconds: Annotated[float, typer.Option(min=1, help="Duration of the reviewers' work.")] = 60.0,
    count: Annotated[int, typer.Option("--requests", min=100)] = 10_000,
) -> None:
    with tempfile.TemporaryDirectory() as name, store_and_broker() as engine:
        job = fill_store(engine, enrichments=enrichments, verdicts=verdicts)
        with desk_service(Path(name), job) as desk:
            figures = measured(desk, records=enrichments, seconds=seconds, count=count)
    pages = ("grid", "judge", "job", "model")
    bars = {f"{kind}_p95_ms": at_most(150) for kind in pages}
    bars |= {"largest_page_kb": at_most(300)}
    bars |= {"memory_ratio": at_most(1.1), "failed": at_most(0), "requests": at_least(1)}
    finish(figures=figures | {"enrichments": enrichments, "verdicts": verdicts}, bars=bars)


if __name__ == "__main__":
    typer.run(main)
