"""The teacher: wishes are granted, once each, whatever happens to teachers."""

import time

import pytest
from sqlalchemy import Engine, text, update

from common.store.in_service import models_in_service
from common.store.tables import PromotedModel
from common.store.teaching.refits import RefitStatus, ask_refit, claim_refit, refit_status
from tests.read_only_postgres import reading_only
from tests.trainer.running_commands import PATIENCE, running
from tests.trainer.teaching.school import MUSEUM, School
from tests.waiting import wait_for
from trainer.teaching.refit import refit
from trainer.teaching.teacher import UNEXPECTED, teach_next

pytestmark = pytest.mark.timeout(1200)


def ask(school: School, provider: str = MUSEUM) -> int:
    with school.engine.begin() as connection:
        return ask_refit(connection, model_id=school.model_id, data_provider=provider, asked_by=1)


def status(engine: Engine, number: int) -> RefitStatus:
    with engine.connect() as connection:
        found = refit_status(connection, number)
    assert found is not None
    return found


def test_a_model_that_was_taught_serves_the_provider_whose_verdicts_it_learned_from(
    school: School,
) -> None:
    school.judge(40)
    number = ask(school)
    assert teach_next(school.engine, school.model_dir)
    assert not teach_next(school.engine, school.model_dir)
    done = status(school.engine, number)
    assert done.problem is None
    assert done.result is not None
    assert done.result["verdicts"] == 40
    assert done.result["old_labels"] == 120
    assert done.result["before"]["accuracy"] < 0.3
    assert done.result["after"]["accuracy"] > 0.7
    assert [each["verdicts"] for each in done.result["curve"]] == [0, 10, 20, 32]
    assert done.result["may_serve_all"] is False  # what is right there is wrong elsewhere
    with school.engine.connect() as connection:
        serving = {each.data_provider: each.title for each in models_in_service(connection)}
    assert serving == {None: "heads v1", MUSEUM: "heads v2"}
    assert done.taught == "heads v2"


def test_a_taught_model_is_taught_again_from_its_beginning(school: School) -> None:
    school.judge(30)
    ask(school)
    teach_next(school.engine, school.model_dir)
    with school.engine.begin() as connection:
        taught = connection.execute(text("SELECT max(id) FROM model")).scalar_one()
        again = ask_refit(connection, model_id=taught, data_provider=MUSEUM)
    teach_next(school.engine, school.model_dir)
    done = status(school.engine, again)
    assert done.result is not None
    assert done.result["before"]["accuracy"] < 0.3  # of the model that has seen no verdict
    assert done.taught == "heads v2"  # the same verdicts give the same model


def test_too_few_verdicts_are_a_problem_that_is_told(school: School) -> None:
    school.judge(9)
    number = ask(school)
    assert teach_next(school.engine, school.model_dir)
    assert "Only 9 verdicts on records of New Museum can be used" in str(
        status(school.engine, number).problem
    )


def test_a_wish_that_fails_unexpectedly_does_not_end_the_next(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.judge(12)
    with school.engine.begin() as connection:  # a weight that no picture has, as a bug would leave
        connection.execute(update(PromotedModel).values(path="nowhere"))
    number = ask(school)
    assert teach_next(school.engine, school.model_dir)
    assert "cannot be read" in str(status(school.engine, number).problem)
    monkeypatch.setattr("trainer.teaching.teacher.open_teachable", None)
    broken = ask(school)
    assert teach_next(school.engine, school.model_dir)
    assert status(school.engine, broken).problem == UNEXPECTED


def test_the_wish_of_a_killed_teacher_is_granted_by_the_next(
    school: School,
) -> None:
    school.judge(20)
    with school.engine.begin() as connection:  # so that the first teacher stops in its work
        connection.execute(text("LOCK TABLE dataset_item IN ACCESS EXCLUSIVE MODE"))
        number = ask(school)
        with running("teacher") as first:
            wait_for(lambda: is_claimed(school.engine))
            first.kill()
            first.wait(PATIENCE)
    assert not status(school.engine, number).is_over
    with school.engine.begin() as connection:  # so that nobody waits for the end of the lease
        connection.execute(text("UPDATE refit SET lease_until = now()"))
    with running("teacher") as second:
        wait_for(lambda: status(school.engine, number).is_over)
        second.terminate()
        assert second.wait(PATIENCE) == 0
    assert status(school.engine, number).taught == "heads v2"


def test_a_teacher_waits_for_a_database_that_only_reads(school: School) -> None:
    school.judge(20)
    with running("teacher") as teacher:
        said = iter(teacher.stderr.readline, b"")
        assert any(b"teacher ready" in line for line in said)
        with reading_only(school.engine):
            assert any(b"the database is read-only" in line for line in said)
        number = ask(school)
        wait_for(lambda: status(school.engine, number).is_over)
    assert status(school.engine, number).taught == "heads v2"


def test_a_teacher_keeps_its_wish_for_as_long_as_it_works_and_holds_no_transaction(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.judge(12)
    number = ask(school)
    held = []

    def slow(*args: object, **named: object) -> object:
        for _ in range(10):
            time.sleep(0.2)
            held.append(is_claimed(school.engine))
        with school.engine.connect() as connection:
            held.append(connection.execute(_OPEN_TRANSACTIONS).scalar_one() == 0)
        return refit(*args, **named)

    monkeypatch.setattr("trainer.teaching.teacher.refit", slow)
    assert teach_next(school.engine, school.model_dir, lease_seconds=1.0)
    assert all(held)
    assert status(school.engine, number).taught == "heads v2"


def test_a_teacher_that_lost_its_wish_changes_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.judge(12)
    number = ask(school)

    def lost(*args: object, **named: object) -> object:
        with school.engine.begin() as connection:  # as the claim of another teacher does
            connection.execute(text("UPDATE refit SET lease_token = lease_token + 1"))
        return refit(*args, **named)

    monkeypatch.setattr("trainer.teaching.teacher.refit", lost)
    assert teach_next(school.engine, school.model_dir)
    assert not status(school.engine, number).is_over
    with school.engine.connect() as connection:
        assert [each.title for each in models_in_service(connection)] == ["heads v1"]


_OPEN_TRANSACTIONS = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND state LIKE 'idle in transaction%'
""")


def is_claimed(engine: Engine) -> bool:
    """Whether the only wish is in work."""
    with engine.connect() as connection:
        return claim_refit(connection, lease_seconds=60.0) is None
