"""Which decisions blocked records of a job."""

import json
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from common.store.decisions import block, refuse, undo
from tests.worker.conftest import CONCEPTS
from tests.worker.ledger.test_finish import prediction
from tests.worker.ledger_rows import claim, finish_with, predicted
from worker import jobs
from worker.cli import app
from worker.commands.status import UNDONE
from worker.jobs.report import blocking
from worker.ledger.finish import ChunkResults

MAP, PAINTING = CONCEPTS
OTHER = "http://data.europeana.eu/concept/99"


@pytest.fixture
def user_id(engine: Engine, model_id: int) -> int:
    """An account, with one more concept that no model knows."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO concept VALUES (:uri, 'other')"), {"uri": OTHER})
        user = "INSERT INTO desk_user (name, role) VALUES ('ann', 'operator') RETURNING id"
        return int(connection.execute(text(user)).scalar_one())


def worked_on(engine: Engine, records: list[str]) -> UUID:
    """A job of the Louvre's records, all of them maps to its model."""
    job_id = jobs.enqueue(engine, records[:3]).job_id
    lease = claim(engine, job_id, 1)
    said = {
        each: predicted(lease, each, prediction(each, MAP), data_provider="Louvre")
        for each in lease.record_ids
    }
    finish_with(engine, lease, ChunkResults(predicted=said))
    return job_id


def status(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["status", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_status_tells_who_blocked_what_and_why(
    engine: Engine, records: list[str], user_id: int
) -> None:
    decide = {"reason": "too general", "user_id": user_id}
    block(engine, OTHER, data_provider=None, **decide)
    block(engine, MAP, data_provider="Prado", **decide)
    refuse(engine, "Tate", **decide)
    decided = block(engine, MAP, data_provider="Louvre", **decide)
    job_id = worked_on(engine, records)
    (made,) = blocking(engine, job_id)
    assert (made.id, made.who, made.reason) == (decided, "ann", "too general")
    told = json.loads(status(job_id, "--json"))
    assert (told["blocked"], [each["id"] for each in told["blocked_by"]]) == (3, [made.id])
    shown = status(job_id)
    assert str(made) in shown
    assert "blocked by a decision" in shown
    (row,) = jobs.list_jobs(engine)
    assert (row.settled, row.total) == (3, 3)


def test_after_it_is_undone_a_status_says_what_to_do(
    engine: Engine, records: list[str], user_id: int
) -> None:
    refused = refuse(engine, "Louvre", reason="by letter", user_id=user_id)
    job_id = worked_on(engine, records)
    undo(engine, refused, user_id=user_id)
    assert blocking(engine, job_id) == []
    assert UNDONE in status(job_id)
