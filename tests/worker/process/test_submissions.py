"""What other systems may send, and what comes of messages that are not as they should be."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from worker.jobs.model_choice import ONE_MODEL
from worker.process.submissions import MAX_SUBMITTED, accept_submitted

GOOD: dict[str, object] = {"record_ids": ["/1/a", "/1/b"], "idempotency_key": "monday"}

HOSTILE: list[dict[str, object]] = [
    {"record_ids": None},
    {"record_ids": "/1/a"},
    {"record_ids": []},
    {"record_ids": [1, None]},
    {"record_ids": ["/1/a", {"id": "/1/b"}]},
    {"record_ids": ["nonsense", "/1", "\ud800", "/1/\x00"]},
    {"record_ids": ["/1/a"] * (MAX_SUBMITTED + 1)},
    {"idempotency_key": 5},
    {"idempotency_key": ""},
    {"idempotency_key": "a\x00b"},
    {"idempotency_key": "\ud800"},
    {"idempotency_key": "x" * 201},
    {"submitter": ["ann"]},
    {"priority": "highest"},
    {"picture": 3},
    {"explain": "yes"},
    {"model": ["test"]},
    {"model": []},
    {"model": "no name of a model"},
    {"look_again": "yes"},
    {"max_age": 30},
    {"max_age": "a month"},
    {"max_age": "9" * 400},
    {"max_age": "30d", "look_again": True},
    {"argument 1": "surplus"},
    {"model_id": 7},
]


def job_totals(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT total FROM job")).scalars())


def accept(engine: Engine, message: Mapping[str, object]) -> list[str]:
    """The levels of what the log says."""
    with capture_logs() as logs:
        accept_submitted(engine, message)
    return [entry["log_level"] for entry in logs]


def test_a_list_becomes_a_job_once(engine: Engine, model_id: int) -> None:
    for _ in range(2):
        assert accept(engine, GOOD | {"submitter": None, "priority": "urgent"}) == ["info"]
    assert job_totals(engine) == [2]


def test_a_message_has_the_options_of_a_job(engine: Engine, model_id: int) -> None:
    assert accept(engine, GOOD | {"model": "test@1", "max_age": "36h"}) == ["info"]
    assert accept(engine, GOOD | {"idempotency_key": "b", "look_again": True}) == ["info"]
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT max_age, look_again FROM job ORDER BY look_again"))
        assert [tuple(row) for row in rows] == [(timedelta(hours=36), False), (None, True)]


def test_a_hostile_message_is_told_in_the_log_and_forgotten(engine: Engine, model_id: int) -> None:
    for change in HOSTILE:
        assert accept(engine, GOOD | change) == ["error"], change
    assert job_totals(engine) == []


def test_a_refused_list_is_named_by_its_key(engine: Engine, model_id: int) -> None:
    with capture_logs() as logs:
        accept_submitted(engine, GOOD | {"idempotency_key": "a\x1b", "priority": "soon"})
        accept_submitted(engine, GOOD | {"idempotency_key": 7})
    assert [entry["key"] for entry in logs] == ["a\\x1b", None]


def test_a_list_for_several_models_is_told_what_to_do(engine: Engine, model_id: int) -> None:
    with capture_logs() as logs:
        accept_submitted(engine, GOOD | {"model": ["test", "other"]})
    (error,) = logs
    assert error["error"] == f"model: is a list. {ONE_MODEL}"


def test_what_is_no_record_id_is_left_out_and_told(engine: Engine, model_id: int) -> None:
    with capture_logs() as logs:
        accept_submitted(engine, GOOD | {"record_ids": ["/1/a", "nonsense", "/1/b"]})
    assert job_totals(engine) == [2]
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["count"] == 1
    assert warning["first"][0].startswith("ID 2: 'nonsense'")


def test_a_list_without_any_record_id_is_told_from_an_empty_one(
    engine: Engine, model_id: int
) -> None:
    with capture_logs() as logs:
        accept_submitted(engine, GOOD | {"record_ids": ["nonsense", "/1"]})
    (error,) = logs
    assert "the list has 2 lines without a record ID." in error["error"]
    assert "ID 1: 'nonsense'" in error["error"]


def test_without_a_model_a_list_is_refused(engine: Engine) -> None:
    assert accept(engine, GOOD) == ["error"]
