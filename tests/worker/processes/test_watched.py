"""A real Prometheus asks a real worker and a real desk: every query of `deploy/monitoring` sees
what it asks for."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine

from deploy.sandbox.server import Sandbox
from tests.desk.desk_process import desk_process
from tests.prometheus import Prometheus, panels, rules
from tests.waiting import wait_for
from tests.worker.processes.running import FILES_FIRST, TIMEOUT, free_port, worker
from worker import jobs
from worker.ledger import cutting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * TIMEOUT)]

# What makes an expression empty while nothing is wrong.
THRESHOLD = re.compile(r" (?:==|>|<) [\d.e]+")


def queries() -> dict[str, str]:
    """All expressions by where they stand; those of alerts without their thresholds.

    Outside of Kubernetes the dashboard finds no namespace to choose.
    """
    shown = {
        f"{panel['title']}, {target['legendFormat']}": target["expr"]
        .replace("$__rate_interval", "1m")
        .replace("$namespace", "")
        for panel in panels()
        for target in panel["targets"]
    }
    levels = {rule["record"]: rule["expr"] for rule in rules("record")}
    alerts = {rule["alert"]: THRESHOLD.sub("", rule["expr"]) for rule in rules("alert")}
    assert all(THRESHOLD.search(rule["expr"]) for rule in rules("alert"))
    return shown | levels | alerts


def test_every_panel_and_every_rule_sees_data(
    engine: Engine,
    sandbox: Sandbox,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rates need two answers with work between them, so the job is of many small chunks."""
    monkeypatch.setattr(cutting, "CHUNK_SIZE", 10)
    ports = {"worker": free_port(), "desk": free_port()}
    watching = Prometheus(tmp_path, ports)
    missing = queries()

    def all_are_seen() -> bool:
        assert "Jobs" in desk.get("/jobs")
        for name in [name for name, query in missing.items() if prometheus.sees(query)]:
            del missing[name]
        return not missing

    with (
        watching as prometheus,
        desk_process(tmp_path, DESK_METRICS_PORT=str(ports["desk"])) as desk,
    ):
        with worker(environment | {"WORKER_METRICS_PORT": str(ports["worker"])}):
            wait_for(lambda: prometheus.sees('store_workers{job="worker",state="ready"} == 1'))
            ids = [item.id for item in sandbox.catalogue.items]
            jobs.enqueue(engine, ids, FILES_FIRST)
            try:
                wait_for(all_are_seen)
            finally:
                assert missing == {}
        wait_for(lambda: prometheus.sees('store_workers{job="desk",state="alive"} == 0'))
        groups = prometheus.ask("rules")["groups"]
        health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert set(health.values()) == {"ok"}
    assert len(health) == len(rules("alert")) + len(rules("record"))
