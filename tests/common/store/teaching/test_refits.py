"""Wishes for refits, and who grants them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.store.session import open_store
from common.store.teaching.refits import (
    RefitClaim,
    RefitLostError,
    ask_refit,
    claim_refit,
    end_refit,
    fail_refit,
    newest_refits,
    refit_status,
    renew_refit,
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Model 1 is on an encoder, model 2 is a whole network."""
    engine = open_store()
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO encoder (id, name, sha256, network, dimension)
                VALUES (1, 'e', repeat('0', 64), 'timm:x', 4);
                INSERT INTO model (id, name, version, path, sha256, labels, thresholds, encoder_id)
                VALUES (1, 'heads', 3, 'heads-3', repeat('1', 64), '{}', '{}', 1),
                       (2, 'net', 1, 'net-1', repeat('2', 64), '{}', '{}', NULL)
            """)
        )
    yield engine
    engine.dispose()


def ask(engine: Engine, provider: str = "Museum") -> int:
    with engine.begin() as connection:
        return ask_refit(connection, model_id=1, data_provider=provider)


def claim(engine: Engine, *, lease_seconds: float = 60.0) -> RefitClaim:
    with engine.begin() as connection:
        claimed = claim_refit(connection, lease_seconds=lease_seconds)
    assert claimed is not None
    return claimed


def is_nothing_free(engine: Engine) -> bool:
    with engine.connect() as connection:
        return claim_refit(connection, lease_seconds=60.0) is None


def test_a_wish_waits_until_it_has_a_result(engine: Engine) -> None:
    number = ask(engine)
    with engine.begin() as connection:
        status = refit_status(connection, number)
    assert status is not None
    assert (status.model, status.data_provider, status.is_over) == ("heads v3", "Museum", False)
    claimed = claim(engine)
    assert claimed.wish == status
    with engine.begin() as connection:
        end_refit(connection, claimed, result={"verdicts": 50}, taught_id=1)
        status = refit_status(connection, number)
        assert status is not None
        assert (status.result, status.taught, status.is_over) == (
            {"verdicts": 50},
            "heads v3",
            True,
        )
        assert refit_status(connection, number + 1) is None
    assert is_nothing_free(engine)


def test_a_problem_ends_a_wish_as_well(engine: Engine) -> None:
    ask(engine)
    claimed = claim(engine)
    with engine.begin() as connection:
        fail_refit(connection, claimed, "too few verdicts")
        (status,) = newest_refits(connection, "Museum")
        assert (status.problem, status.result, status.is_over) == ("too few verdicts", None, True)
        assert newest_refits(connection, "Attic") == []


def test_nobody_else_gets_a_wish_that_is_worked_on(engine: Engine) -> None:
    first, second = ask(engine), ask(engine, "Attic")
    claimed = [claim(engine), claim(engine)]
    assert [each.wish.id for each in claimed] == [first, second]
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE refit SET lease_until = now() WHERE id = :id"), {"id": first}
        )
        assert renew_refit(connection, claimed[0], lease_seconds=60.0)
    assert is_nothing_free(engine)


def test_a_wish_whose_lease_ran_out_is_of_the_teacher_who_claims_it_next(engine: Engine) -> None:
    ask(engine)
    dead = claim(engine, lease_seconds=0.0)
    heir = claim(engine)
    assert heir.wish == dead.wish
    with engine.begin() as connection:
        assert not renew_refit(connection, dead, lease_seconds=60.0)
        with pytest.raises(RefitLostError):
            fail_refit(connection, dead, "too late")
        end_refit(connection, heir, result={}, taught_id=1)
        with pytest.raises(RefitLostError):
            end_refit(connection, heir, result={}, taught_id=1)


def test_the_same_wish_is_one_until_it_is_begun(engine: Engine) -> None:
    number = ask(engine)
    assert ask(engine) == number
    claim(engine)
    assert ask(engine) != number  # more verdicts may have come since it was begun


def test_the_same_wish_of_many_at_once_is_one(engine: Engine) -> None:
    together = Barrier(8)

    def ask_together(_: int) -> int:
        together.wait()
        return ask(engine)

    with ThreadPoolExecutor(together.parties) as threads:
        assert len(set(threads.map(ask_together, range(together.parties)))) == 1


@pytest.mark.parametrize(
    ("model_id", "message"), [(2, "net v1 is a whole network"), (9, "no model with number 9")]
)
def test_what_cannot_be_fitted_again_is_refused(
    engine: Engine, model_id: int, message: str
) -> None:
    with engine.begin() as connection, pytest.raises(UsageError, match=message):
        ask_refit(connection, model_id=model_id, data_provider="Museum")
