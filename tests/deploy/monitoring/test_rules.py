"""The alerts fire when they should, say what to do, and look at metrics that are there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric

import desk.web.metered
import worker.metrics
from tests.prometheus import RULES, panels, program, rules
from worker.store_gauges import FAMILIES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
CASES = sorted(Path(__file__).parent.glob("alerts*.yaml"))
ENRICH, RUNBOOK = ROOT / "docs" / "how-to" / "enrich.md", ROOT / "docs" / "runbooks" / "alerts.md"
NAME = r"\b(?:worker|store|desk|broker|process)_[a-z_]+"
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
WITH_METRICS = (desk.web.metered, worker.metrics)


def promtool(*arguments: str) -> str:
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(metric: Metric) -> set[str]:
    return {metric.name + ending for ending in ENDINGS.get(metric.type, ())}


def served() -> set[str]:
    """The names of all metrics that our processes have, and of the one of every process."""
    assert all(WITH_METRICS)
    found = {name for metric in REGISTRY.collect() for name in names(metric)}
    return found | {family.name for family in FAMILIES}


def test_promtool_finds_no_fault() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    promtool("check", "config", str(RULES.with_name("prometheus.yaml")))


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_where_they_should_and_nowhere_else(cases: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(cases))


def fired(alert: str) -> set[bool]:
    """Whether cases of an alert expect that it fires."""
    tests: list[dict[str, Any]] = [
        test for path in CASES for test in yaml.safe_load(path.read_text())["tests"]
    ]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    return {bool(case["exp_alerts"]) for case in cases if case["alertname"] == alert}


def test_each_alert_has_a_case_where_it_fires_and_one_where_it_does_not() -> None:
    assert {rule["alert"]: fired(rule["alert"]) for rule in rules("alert")} == {
        rule["alert"]: {True, False} for rule in rules("alert")
    }


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules("alert")]
    for rule in rules("alert"):
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"[A-Z].*\.", rule["annotations"]["summary"])
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert ROOT / page == RUNBOOK
        assert anchor == rule["alert"].lower()


def test_a_section_says_what_it_means_what_to_do_and_when_it_is_over() -> None:
    for section in RUNBOOK.read_text().split("\n## ")[1:]:
        for part in ("**What it means.**", "**What to look at", "hat to do.**", "**It is over**"):
            assert part in section, section.splitlines()[0]


def test_every_metric_of_rules_dashboard_and_docs_is_there() -> None:
    queries = [rule["expr"] for kind in ("alert", "record") for rule in rules(kind)]
    queries += [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(NAME, query)}
    rows = re.findall(rf"^\| `({NAME})", ENRICH.read_text(), re.MULTILINE)
    assert asked | set(rows) <= served()
    assert len(asked) > 15
    assert len(rows) > 10
    levels = {rule["record"] for rule in rules("record")}
    assert {name for query in queries for name in re.findall(r"enrichment:[\w:]+", query)} == levels
