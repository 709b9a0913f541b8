"""`worker prune`, as it is typed."""

import json
import re
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from tests.worker.ledger_rows import claim, finish
from worker import jobs
from worker.cli import app

pytestmark = pytest.mark.usefixtures("model_id")


def worker(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def words(result: Result) -> str:
    return " ".join(result.stderr.split())


@pytest.fixture
def old(engine: Engine) -> UUID:
    """A job of two records that was done a hundred days ago; one of them failed."""
    job_id = jobs.enqueue(engine, ["/1/a", "/1/b"]).job_id
    finish(engine, claim(engine, job_id, 1), failed={"/1/a": "not_found"})
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET finished_at = now() - interval '100 days'"))
    return job_id


def test_it_says_what_it_would_remove_and_asks(engine: Engine, old: UUID) -> None:
    refused = worker("prune", "--older-than", "90d")
    assert refused.exit_code == 2
    assert "of 1 job (2 records), which ended 90d ago or earlier?" in str(
        refused.exception or ""
    ) + (words(refused))
    assert jobs.status(engine, old).failed == 1


def test_with_a_yes_it_removes_and_tells(engine: Engine, old: UUID) -> None:
    done = worker("prune", "--older-than", "90d", "--yes", "--json")
    assert json.loads(done.stdout) == {"jobs": 1, "records": 2, "failures": 1}
    assert "The lists of 1 job were removed: 2 records, 1 failure." in words(done)
    again = worker("prune", "--older-than", "90d", "--json")
    assert json.loads(again.stdout) == {"jobs": 0, "records": 0, "failures": 0}
    assert "No job that ended 90d ago or earlier has lists of records." in words(again)


def test_the_status_of_such_a_job_says_so(engine: Engine, old: UUID) -> None:
    worker("prune", "--older-than", "90d", "--yes")
    told = words(worker("status", old))
    assert f"The records of job {old} were removed on" in told
    assert told.endswith("Next: worker export --model test@1 enrichments.csv")
    refused = worker("export", old, "-")
    assert "worker export --model test@1 FILE" in f"{refused.exception} {words(refused)}"
    shown = worker("status", old).stdout
    assert re.search(r"1 +not_found", shown)
    assert json.loads(worker("status", old, "--json").stdout)["pruned_at"]


def test_the_list_marks_such_a_job(engine: Engine, old: UUID) -> None:
    assert "pruned" not in worker("jobs").stdout
    worker("prune", "--older-than", "90d", "--yes")
    assert "done, pruned" in worker("jobs").stdout
    assert json.loads(worker("jobs", "--json").stdout)[0]["pruned_at"]


def test_an_age_has_a_form(engine: Engine) -> None:
    refused = worker("prune", "--older-than", "soon")
    assert refused.exit_code == 2
