"""Wishes for refits, and who grants them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.store.session import open_store
from common.store.teaching.refits import (
    ask_refit,
    claim_refit,
    end_refit,
    fail_refit,
    newest_refits,
    refit_status,
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


def test_a_wish_waits_until_it_has_a_result(engine: Engine) -> None:
    number = ask(engine)
    with engine.begin() as connection:
        status = refit_status(connection, number)
        assert status is not None
        assert (status.model, status.data_provider, status.is_over) == ("heads v3", "Museum", False)
        assert claim_refit(connection) == status
        end_refit(connection, number, result={"verdicts": 50}, taught_id=1)
    with engine.begin() as connection:
        status = refit_status(connection, number)
        assert status is not None
        assert (status.result, status.taught, status.is_over) == (
            {"verdicts": 50},
            "heads v3",
            True,
        )
        assert claim_refit(connection) is None
        assert refit_status(connection, number + 1) is None


def test_a_problem_ends_a_wish_as_well(engine: Engine) -> None:
    number = ask(engine)
    with engine.begin() as connection:
        fail_refit(connection, number, "too few verdicts")
    with engine.begin() as connection:
        (status,) = newest_refits(connection, "Museum")
        assert (status.problem, status.result, status.is_over) == ("too few verdicts", None, True)
        assert newest_refits(connection, "Attic") == []


def test_nobody_else_gets_a_wish_that_is_worked_on(engine: Engine) -> None:
    first, second = ask(engine), ask(engine, "Attic")
    with engine.begin() as one, engine.begin() as other, engine.begin() as third:
        claims = [claim_refit(each) for each in (one, other, third)]
    assert [each and each.id for each in claims] == [first, second, None]
    with engine.begin() as connection:  # the claims ended with their transactions
        again = claim_refit(connection)
        assert again is not None
        assert again.id == first


def test_the_same_wish_is_one_until_it_is_begun(engine: Engine) -> None:
    number = ask(engine)
    assert ask(engine) == number
    with engine.begin() as teacher:
        assert claim_refit(teacher) is not None
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
