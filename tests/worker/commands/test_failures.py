"""`worker failures`, as it is typed."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from tests.worker.ledger_rows import claim, finish
from worker import jobs
from worker.cli import app

pytestmark = pytest.mark.usefixtures("model_id")


def failures(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["failures", *map(str, arguments)])


@pytest.fixture
def job_id(engine: Engine, records: list[str]) -> UUID:
    """A job of which 250 records failed."""
    job_id = jobs.enqueue(engine, records).job_id
    lease = claim(engine, job_id, 1)
    finish(engine, lease, failed=dict.fromkeys(lease.record_ids[:250], "not_found"))
    return job_id


def test_a_table_shows_the_first_and_says_how_many_there_are(job_id: UUID) -> None:
    shown = failures("last")
    assert shown.stdout.count("not_found") == 200
    assert "These are the first 200 of 250 failed records." in shown.stderr
    assert "Next" not in shown.stderr
    assert "These records fail again until you remove the cause." in " ".join(shown.stderr.split())


def test_trying_again_is_offered_for_what_may_pass(engine: Engine, job_id: UUID) -> None:
    lease = claim(engine, job_id, 2)
    finish(engine, lease, failed=dict.fromkeys(lease.record_ids[:3], "timeout"))
    offered = f"Next, for failures that may be temporary: worker retry {job_id} --reason timeout"
    assert " ".join(failures("last").stderr.split()).endswith(offered)


def test_a_folder_that_is_not_there_is_not_made(job_id: UUID, tmp_path: Path) -> None:
    refused = failures(job_id, tmp_path / "mistyped" / "failed.csv")
    assert refused.exit_code == 2
    assert f"There is no folder {tmp_path / 'mistyped'}" in str(refused.exception) + refused.stderr
    assert not (tmp_path / "mistyped").exists()


def test_a_file_and_json_have_all(job_id: UUID, tmp_path: Path) -> None:
    file = tmp_path / "failed.csv"
    assert "250 failed records written" in failures(job_id, file).stderr
    assert file.read_text().count("not_found") == 250
    assert failures(job_id, file).exit_code == 2
    assert failures(job_id, file, "--force").exit_code == 0
    lines = [json.loads(line) for line in failures(job_id, "--json").stdout.splitlines()]
    assert len(lines) == 250
    assert (lines[0]["stage"], lines[0]["reason"], lines[0]["attempts"]) == (
        "fetch",
        "not_found",
        1,
    )


def test_where_nothing_failed_that_is_said(engine: Engine, records: list[str]) -> None:
    jobs.enqueue(engine, records[:3])
    assert "No record has failed." in failures("last").stderr
    assert failures("last", "--reason", "timeout").exit_code == 2
