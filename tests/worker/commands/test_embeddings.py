"""`worker embeddings` and `worker similar`, as they are typed."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from tests.worker.embeddings.conftest import arc
from worker.cli import app

__all__ = ["arc"]

pytestmark = pytest.mark.usefixtures("arc")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_what_is_kept_is_listed_pruned_and_indexed(arc: Engine) -> None:
    told = json.loads(run("embeddings", "list", "--json").stdout)
    assert [(each["encoder"]["name"], each["pictures"], each["has_index"]) for each in told] == [
        ("arc", 50, False),
        ("empty", 0, False),
    ]
    assert told[0]["size"] > 0
    assert run("embeddings", "index", "arc").exit_code == 0
    listed = run("embeddings", "list").stdout
    assert "arc" in listed
    assert "yes" in listed
    with arc.begin() as connection:
        connection.execute(text("UPDATE picture_seen SET seen_at = now() - interval '2 hours'"))
    assert "50 embeddings removed" in run("embeddings", "prune", "--unseen-for", "1h").stderr


def test_similar_records_are_a_table_json_or_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = run("similar", "/1/r10", "--n", "3")
    assert table.stdout.count("/1/r") == 3
    assert "50 embeddings of the encoder arc; all were compared" in table.stderr
    told = json.loads(run("similar", "/1/r10", "--n", "2", "--json").stdout)
    assert {each["record_id"] for each in told["found"]} == {"/1/r09", "/1/r11"}
    assert (told["record"]["record_id"], told["encoder"]["name"], told["is_exact"]) == (
        "/1/r10",
        "arc",
        True,
    )
    monkeypatch.setenv("EUROPEANA_API_URL", "http://127.0.0.1:1")
    page = tmp_path / "page.html"
    assert "3 records written" in run("similar", "/1/r10", "--n", "3", "--page", str(page)).stderr
    assert page.read_text().count("picture not available") == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("similar", "nonsense"),
        ("similar", "/1/unknown"),
        ("similar", "/1/r10", "--n", "0"),
        ("similar", "/1/r10", "--encoder", "none"),
        ("embeddings", "index", "none"),
        ("embeddings", "prune", "--encoder", "none"),
        ("embeddings", "prune", "--encoder", ""),
        ("similar", "/1/r10", "--encoder", ""),
        ("embeddings", "prune", "--unseen-for", "long"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
