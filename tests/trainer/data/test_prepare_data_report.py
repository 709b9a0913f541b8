"""What is said of the training data, on the console and in the file."""

import csv
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from trainer.data.dataset import Example, TrainingData
from trainer.data.prepare import (
    COPY,
    DOUBTFUL,
    NEAR_DUPLICATE,
    list_near_duplicates,
    show_findings,
    write_near_duplicates,
)


@pytest.fixture
def data() -> TrainingData:
    """Seven examples: a and b the same file, c and d alike, e and f alike under two labels."""
    files = {"a": "1", "b": "1", "c": "3", "d": "4", "e": "5", "f": "6", "g": "7"}
    examples = (
        Example(key=key, path=Path(key), labels=(1 if key in "fg" else 0,), sha256=sha256)
        for key, sha256 in files.items()
    )
    return TrainingData(
        source="here",
        kind="single",
        categories=("map", "toy"),
        concept_uris=("http://c/1", "http://c/2"),
        picture_source="folder",
        examples=tuple(examples),
    )


GROUPS = np.array([0, 0, 1, 1, 2, 2, 3])


def test_near_duplicates_are_listed_with_the_doubtful_first(data: TrainingData) -> None:
    found = list_near_duplicates(data, GROUPS)
    assert [(each.example, each.finding) for each in found] == [
        ("e", DOUBTFUL),
        ("f", DOUBTFUL),
        ("c", NEAR_DUPLICATE),
        ("d", NEAR_DUPLICATE),
        ("a", COPY),
        ("b", COPY),
    ]
    assert [each.like for each in found[:2]] == ["f (toy)", "e (map)"]


def test_the_console_shows_counts_and_the_first_few(
    data: TrainingData, capsys: pytest.CaptureFixture[str]
) -> None:
    less = data.without("picture unreadable (damaged)", ["x1", "x2", "x3", "x4"])
    show_findings(less, list_near_duplicates(data, GROUPS), Console())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  4 x left out, picture unreadable (damaged): x1, x2, x3, ..."
    assert lines[1].endswith("check their labels: e, f")
    assert len(lines) == 4


def test_the_file_has_every_near_duplicate(data: TrainingData, tmp_path: Path) -> None:
    write_near_duplicates(list_near_duplicates(data, GROUPS), tmp_path / "near_duplicates.csv")
    with (tmp_path / "near_duplicates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["example"] for row in rows] == list("efcdab")
    assert rows[-1] == {"example": "b", "finding": COPY, "like": "a (map)"}
