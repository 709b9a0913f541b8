"""What a command prints as JSON and its schema come from one type."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from common.process.terminal.json_output import json_schema, print_json


@dataclass
class _Row:
    """A row."""

    job: UUID
    age: timedelta
    at: datetime
    note: str | None = None


ROW = _Row(job=UUID(int=1), age=timedelta(minutes=1), at=datetime(2026, 1, 1, tzinfo=UTC))


def test_durations_are_seconds_and_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([ROW], list[_Row])
    assert json.loads(capsys.readouterr().out) == [
        {"job": str(UUID(int=1)), "age": 60.0, "at": "2026-01-01T00:00:00Z", "note": None}
    ]


def test_the_schema_names_every_field() -> None:
    schema = json_schema(_Row)
    assert set(schema["required"]) == {"job", "age", "at", "note"}
    assert schema["properties"]["age"]["type"] == "number"
