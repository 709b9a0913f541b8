"""Faults files and the Python form: what is wrong is refused with its place."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from common.errors import UsageError
from deploy.sandbox.faults import AnnotationFaults, Fault, Faults, read_faults, with_latency


def write(folder: Path, content: Any) -> Path:
    path = folder / "faults.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_file_says_the_same_as_python(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "hosts": {"*": [{"kind": "latency", "seconds": [0.05, 0.2]}]},
            "items": {"/91001/map_000003": [{"kind": "truncated"}]},
            "api": [{"kind": "status", "status": 500, "first": 2}],
            "thumbnails": [{"kind": "drip", "bytes_per_second": 500, "probability": 0.5}],
            "annotations": {"writes": [{"kind": "lost", "status": 504}], "token_seconds": 60},
        },
    )
    assert read_faults(path) == Faults(
        hosts={"*": [Fault("latency", seconds=(0.05, 0.2))]},
        items={"/91001/map_000003": [Fault("truncated")]},
        api=[Fault("status", status=500, first=2)],
        thumbnails=[Fault("drip", bytes_per_second=500, probability=0.5)],
        annotations=AnnotationFaults(writes=[Fault("lost", status=504)], token_seconds=60),
    )


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("{", "JSON"),
        ({"host": {}}, "host"),
        ({"api": [{"kind": "sleepy"}]}, "api.0.kind"),
        ({"api": [{"kind": "html", "colour": 1}]}, "api.0.colour"),
        ({"annotations": {"writes_a_second": 0}}, "annotations.writes_a_second"),
        ({"api": [{"kind": "status"}]}, "needs status"),
        ({"api": [{"kind": "html", "status": 404}]}, "cannot have status"),
        ({"hosts": {"*": [{"kind": "status", "status": 200}]}}, "hosts.*.0.status"),
        ({"hosts": {"*": [{"kind": "reset", "probability": 2}]}}, "probability"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, content: Any, place: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_faults(write(tmp_path, content))
    assert "faults.json" in str(refused.value)
    assert place in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read"):
        read_faults(tmp_path / "none.json")


def test_python_checks_the_same() -> None:
    with pytest.raises(ValidationError, match="needs location"):
        Fault("redirect")


def test_latency_on_everything_keeps_the_other_faults() -> None:
    html, latency = Fault("html"), Fault("latency", seconds=0.1)
    faults = with_latency(Faults(hosts={"*": [html]}, api=[html]), 0.1)
    assert faults == Faults(
        hosts={"*": [latency, html]},
        api=[latency, html],
        thumbnails=[latency],
        annotations=AnnotationFaults(writes=[latency], tokens=[latency]),
    )
