"""Metrics as Prometheus reads them."""

import pytest
from prometheus_client import REGISTRY

from common.errors import RecordError
from common.process.periodic import PeriodicThread
from common.vision.answers.tally import BINS, Tally
from worker import metrics

NOTHING = Tally.of_counts((1, 0, 1, *(0,) * BINS))


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Idle(PeriodicThread):
    def run_once(self) -> None:
        """Nothing."""


def test_it_shows_how_long_ago_a_thread_did_its_work() -> None:
    thread = Idle("idle", interval=3600)
    metrics.watch([thread])
    thread.start()
    shown = [sample("worker_periodic_seconds_since_run", thread="idle") for _ in range(2)]
    thread.stop()
    assert 0 < shown[0] < shown[1]


def test_records_are_counted_by_outcome_and_errors_by_reason() -> None:
    before = {
        name: sample("worker_records_total", outcome=name)
        for name in ("enriched", "unlike", "below_threshold", "blocked", "failed", "put_off")
    }
    looked_at = sample("worker_pictures_total", what="looked_at")
    failures = sample("worker_failures_total", stage="fetch", reason="gone")
    errors = {f"/1/r{number}": RecordError("fetch", "gone") for number in range(3)}
    counts = {"enriched": 5, "unlike": 4, "below_threshold": 2, "blocked": 7, "put_off": 1}
    counts["failed"] = 2
    metrics.count_records(counts | {"read": 3}, errors=errors)
    counted = {name: sample("worker_records_total", outcome=name) for name in before}
    told = {name: counted[name] - before[name] for name in before}
    assert told == counts
    assert sample("worker_pictures_total", what="looked_at") - looked_at == 5 + 4 + 2 + 7 - 3
    assert sample("worker_failures_total", stage="fetch", reason="gone") - failures == 3


def said(model: str, provider: str, what: str) -> float:
    return sample("worker_said_total", model=model, provider=provider, what=what)


def test_what_a_model_said_is_counted_by_data_provider() -> None:
    counts = (10, 3, 4, *(0,) * 8, 5, 1)  # pictures, written, unlike, and the others by confidence
    for _ in range(2):
        metrics.count_said("maps v1", {"Louvre": Tally.of_counts(counts), "": NOTHING})
    told = {what: said("maps v1", "Louvre", what) for what in ("written", "unlike", "nothing")}
    assert told == {"written": 6, "unlike": 8, "nothing": 6}
    confidence = sample("worker_said_confidence_total", model="maps v1", provider="Louvre")
    assert confidence == pytest.approx(2 * (5 * 0.85 + 0.95))
    assert said("maps v1", "(unknown)", "unlike") == 2
    assert said("maps v1", "unknown", "unlike") == 0


def test_beyond_so_many_data_providers_the_rest_is_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "_providers", set())
    museums = [f"museum {number}" for number in range(metrics.MOST_PROVIDERS + 49)]
    museums.insert(0, "other")  # a museum's name, too
    for _ in range(2):
        metrics.count_said("toys v1", dict.fromkeys(museums, NOTHING))
    assert said("toys v1", museums[0], "unlike") == 2
    assert said("toys v1", metrics.OTHER, "unlike") == 2 * 50
    assert said("toys v1", "other", "unlike") == 2
    assert said("toys v1", museums[-1], "unlike") == 0


def test_series_that_are_known_beforehand_begin_at_zero() -> None:
    for name, labels in (
        ("worker_chunks_total", {"end": "database_locked"}),
        ("worker_failures_total", {"stage": "worker", "reason": "killed_worker"}),
        ("worker_records_total", {"outcome": "put_off"}),
    ):
        assert REGISTRY.get_sample_value(name, labels) is not None
