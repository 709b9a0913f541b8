"""The Grafana dashboard: `python -m deploy.monitoring.dashboard` writes `dashboard.json`.

Its rows follow a record: the work, what it came to, how fast, what models say, what the processes
do, and the desk.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("dashboard.json")
WIDTH, HEIGHT, COLUMNS = 8, 8, 24
LATELY = "[$__rate_interval]"
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_METRIC = re.compile(r"\b(?:(?:worker|store|desk|process)_|enrichment:)[a-z0-9_:]+")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A plot over time; `queries` by what the legend calls their lines.

    `unit` is one of Grafana's: https://grafana.com/docs/grafana/latest/panels-visualizations/
    """

    title: str
    told: str
    unit: str = "short"
    queries: Mapping[str, str]

    def as_json(self, number: int, *, left: int, top: int) -> dict[str, Any]:
        """As Grafana keeps it, with its place."""
        targets = [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": _of_one(query)}
            | {"legendFormat": legend, "range": True}
            for place, (legend, query) in enumerate(self.queries.items())
        ]
        return {
            "id": number,
            "type": "timeseries",
            "title": self.title,
            "description": self.told,
            "datasource": _SOURCE,
            "gridPos": {"h": HEIGHT, "w": WIDTH, "x": left, "y": top},
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0}, "overrides": []},
            "options": {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
            "targets": targets,
        }


def _of_one(query: str) -> str:
    """The query for the installation that is chosen above the plots.

    Where Prometheus gives no label `namespace`, there is nothing to choose, and `""` fits all.
    """
    return _METRIC.sub(r'\g<0>{namespace="$namespace"}', query)


def _rate_by(label: str, metric: str) -> str:
    return f"sum by ({label}) (rate({metric}{LATELY}))"


def _quantile(share: float, metric: str, label: str) -> str:
    by = f"{label}, le" if label else "le"
    return f"histogram_quantile({share}, sum by ({by}) (rate({metric}_bucket{LATELY})))"


ROWS: Mapping[str, tuple[Panel, ...]] = {
    "Work": (
        Panel(
            title="Records that wait",
            told="Of running jobs: all that have no outcome yet, and those of them that were put "
            "off after a failure that may pass.",
            queries={"{{state}}": "max by (state) (store_records)"},
        ),
        Panel(
            title="Chunks due and in work",
            told="Those that are due are counted up to 1,000, a quarter of a million records.",
            queries={"{{state}}": "max by (state) (store_chunks)"},
        ),
        Panel(
            title="Since a chunk was settled",
            told="It grows while nothing moves; 0 if no job is running.",
            unit="s",
            queries={"seconds": "max(store_seconds_since_settled)"},
        ),
        Panel(
            title="Workers",
            told="Alive: told the store of themselves lately. Ready: nothing is missing.",
            queries={"{{state}}": "max by (state) (store_workers)"},
        ),
        Panel(
            title="Running jobs",
            told="`worker jobs` names them.",
            queries={"jobs": "max(store_jobs_running)"},
        ),
        Panel(
            title="Chunk ends",
            told="done is as it should be. database_locked: another process holds locks.",
            unit="cps",
            queries={"{{end}}": _rate_by("end", "worker_chunks_total")},
        ),
    ),
    "Outcomes": (
        Panel(
            title="Outcomes by kind",
            told="Records a second. Those that were put off are tried again.",
            unit="cps",
            queries={"{{outcome}}": _rate_by("outcome", "worker_records_total")},
        ),
        Panel(
            title="Failures by reason",
            told="Final or not; docs/reference/reasons.md says what each means.",
            unit="cps",
            queries={"{{stage}} {{reason}}": _rate_by("stage, reason", "worker_failures_total")},
        ),
        Panel(
            title="Image hosts",
            told="Slowed: asked more slowly after a complaint or a failure, or not for a while. "
            "`worker status JOB` names them.",
            queries={"{{state}}": "max by (state) (store_hosts)"},
        ),
    ),
    "Speed": (
        Panel(
            title="Seconds of a stage, 95 of 100",
            told="Resolve, read and write: a chunk. Fetch: a request. Decode, wait: a picture. "
            "Infer: a batch.",
            unit="s",
            queries={"{{stage}}": _quantile(0.95, "worker_stage_seconds", "stage")},
        ),
        Panel(
            title="Pictures in a batch",
            told="Small batches mean that the device waits for pictures.",
            queries={
                "mean": f"sum(rate(worker_batch_pictures_sum{LATELY}))"
                f" / sum(rate(worker_batch_pictures_count{LATELY}))",
                "95 of 100": _quantile(0.95, "worker_batch_pictures", ""),
            },
        ),
        Panel(
            title="Read and looked at",
            told="Records whose embedding was read, and records whose picture was looked at.",
            unit="cps",
            queries={"{{what}}": _rate_by("what", "worker_pictures_total")},
        ),
    ),
    "Drift": (
        Panel(
            title="Share written",
            told="Of six hours, by model and data provider; from the rules.",
            unit="percentunit",
            queries={"{{model}}, {{provider}}": "enrichment:written:6h"},
        ),
        Panel(
            title="Share unlike",
            told="Pictures that are unlike all that the model learned from, of six hours.",
            unit="percentunit",
            queries={"{{model}}, {{provider}}": "enrichment:unlike:6h"},
        ),
        Panel(
            title="Mean confidence",
            told="In the most probable concept, of pictures that are not unlike, of six hours.",
            unit="percentunit",
            queries={"{{model}}, {{provider}}": "enrichment:confidence:6h"},
        ),
    ),
    "Processes": (
        Panel(
            title="Seconds since a thread did its work",
            told="The worst worker. More than 60: the thread hangs, or the database is away.",
            unit="s",
            queries={"{{thread}}": "max by (thread) (worker_periodic_seconds_since_run)"},
        ),
        Panel(
            title="Chunks in work, by worker",
            told="Leases that each process holds.",
            queries={"{{instance}}": "worker_chunks_in_work"},
        ),
        Panel(
            title="Age of a process",
            told="It falls to 0 where a process was started again.",
            unit="s",
            queries={
                "{{job}} {{instance}}": "time() - process_start_time_seconds"
                " and on (job, instance) (worker_chunks_in_work or store_jobs_running)"
            },
        ),
        Panel(
            title="Bytes of the database",
            told="All of it, and the embeddings in it. Folders of pictures are not counted.",
            unit="bytes",
            queries={"{{of}}": "max by (of) (store_bytes)"},
        ),
    ),
    "Desk": (
        Panel(
            title="Requests by status",
            told="A second.",
            unit="reqps",
            queries={"{{status}}": _rate_by("status", "desk_requests_total")},
        ),
        Panel(
            title="Requests by page",
            told="A second, by the first part of the path.",
            unit="reqps",
            queries={"{{page}}": _rate_by("page", "desk_requests_total")},
        ),
        Panel(
            title="Seconds of a request, 95 of 100",
            told="To the end of the answer, by the first part of the path.",
            unit="s",
            queries={"{{page}}": _quantile(0.95, "desk_request_seconds", "page")},
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """As Grafana imports it; it asks for the Prometheus and the installation to look at."""
    placed: list[dict[str, Any]] = []
    top = 0
    for title, panels in ROWS.items():
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        placed.append({"id": len(placed) + 1, **row, "gridPos": place})
        for number, panel in enumerate(panels):
            line, left = divmod(number * WIDTH, COLUMNS)
            placed.append(panel.as_json(len(placed) + 1, left=left, top=top + 1 + line * HEIGHT))
        top += 1 + HEIGHT * -(-len(panels) * WIDTH // COLUMNS)
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    installation = {"name": "namespace", "label": "Namespace", "type": "query", "refresh": 2}
    installation |= {"datasource": _SOURCE, "query": "label_values(store_workers, namespace)"}
    return {
        "uid": "image-enrichment",
        "title": "Image enrichment",
        "tags": ["image-enrichment"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, installation]},
        "panels": placed,
    }


def as_text() -> str:
    """What the file holds."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
