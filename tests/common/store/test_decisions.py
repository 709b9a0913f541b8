"""Decisions: made once, undone in one step, and waited for by nobody for long."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.store.decisions import (
    StandingBlock,
    block,
    consent,
    list_decisions,
    refuse,
    standing_blocks,
    undo,
)
from common.store.session import open_store
from common.store.tables import Decided
from tests.waiting import wait_for

MAP = "http://data.europeana.eu/concept/43"


@pytest.fixture
def store(database_url: str) -> Iterator[Engine]:
    """With a concept and two accounts, 1 and 2."""
    engine = open_store()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO concept VALUES (:uri, 'map')"), {"uri": MAP})
        people = "INSERT INTO desk_user (name, role) VALUES ('ann', 'operator'), ('bo', 'operator')"
        connection.execute(text(people))
    yield engine
    engine.dispose()


def blocks(engine: Engine) -> list[StandingBlock]:
    with engine.connect() as connection:
        return standing_blocks(connection)


def test_a_concept_is_blocked_once_for_all_and_once_for_a_provider(store: Engine) -> None:
    everywhere = block(store, MAP, data_provider=None, reason="too general", user_id=1)
    again = block(store, MAP, data_provider=None, reason="again", user_id=2)
    there = block(store, MAP, data_provider=" Uffi\n zi ", reason="not wanted", user_id=2)
    assert (everywhere == again, everywhere == there) == (True, False)
    assert blocks(store) == [
        StandingBlock(data_provider=None, concept_uri=MAP),
        StandingBlock(data_provider="Uffi zi", concept_uri=MAP),
    ]
    assert undo(store, everywhere, user_id=2)
    assert not undo(store, everywhere, user_id=1)
    assert blocks(store) == [StandingBlock(data_provider="Uffi zi", concept_uri=MAP)]
    assert block(store, MAP, data_provider=None, reason="still", user_id=1) > there


def test_a_provider_has_one_word_and_the_last_one_counts(store: Engine) -> None:
    refused = refuse(store, "Uffizi", reason="by letter", user_id=1)
    assert refuse(store, "Uffizi", reason="again", user_id=1) == refused
    assert blocks(store) == [StandingBlock(data_provider="Uffizi", concept_uri=None)]
    consented = consent(store, "Uffizi", reason="changed its mind", user_id=2)
    assert blocks(store) == []
    with store.connect() as connection:
        now, before = list_decisions(connection, undone_too=True)
    assert (now.id, now.decided, now.undone_at) == (consented, Decided.CONSENTED, None)
    assert (before.id, before.undone_by, before.who) == (refused, "bo", "ann")
    refuse(store, "Uffizi", reason="and again", user_id=1)
    assert len(blocks(store)) == 1


def test_a_list_says_who_and_why_also_of_accounts_that_were_forgotten(store: Engine) -> None:
    block(store, MAP, data_provider=None, reason="too general", user_id=1)
    refuse(store, "Uffizi", reason="by letter", user_id=2)
    with store.begin() as connection:
        connection.execute(text("UPDATE desk_user SET name = NULL, ended_at = now() WHERE id = 2"))
    with store.connect() as connection:
        refused, blocked = list_decisions(connection)
        (alone,) = list_decisions(connection, decided=[Decided.BLOCKED])
    assert alone == blocked
    day = f"{blocked.decided_at:%Y-%m-%d}"
    assert str(blocked) == f"map is blocked for all by ann on {day}: too general"
    assert str(refused) == f"Uffizi has refused, noted by account 2 on {day}: by letter"


@pytest.mark.parametrize(
    ("provider", "reason", "message"),
    [
        ("", "x", "data provider is empty"),
        ("\x85 ", "x", "data provider is empty"),
        ("x" * 301, "x", "301 characters"),
        ("a\x9bb", "x", "contains the character"),
        ("Uffizi", " ", "reason is empty"),
        ("Uffizi", "\0", "contains the character"),
        ("Uffizi", "\ud800", "contains the character"),
    ],
)
def test_texts_that_are_none_are_refused(
    store: Engine, provider: str, reason: str, message: str
) -> None:
    for decide in (refuse, consent):
        with pytest.raises(UsageError, match=message):
            decide(store, provider, reason=reason, user_id=1)
    with pytest.raises(UsageError, match=message):
        block(store, MAP, data_provider=provider, reason=reason, user_id=1)
    assert blocks(store) == []


def test_what_does_not_exist_is_named(store: Engine) -> None:
    with pytest.raises(UsageError, match="no concept 'http://x'"):
        block(store, "http://x", data_provider=None, reason="x", user_id=1)
    with pytest.raises(UsageError, match="no decision 7"):
        undo(store, 7, user_id=1)


def test_many_at_once_make_one_decision(store: Engine) -> None:
    def decide(number: int) -> int:
        return block(store, MAP, data_provider=None, reason=str(number), user_id=1)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(decide, range(8)))) == 1


def test_a_decision_waits_for_those_who_write(store: Engine) -> None:
    """Whoever holds the decisions before it writes as if it were not made; others obey it."""
    with ThreadPoolExecutor(2) as pool:
        with store.begin() as writing:
            assert standing_blocks(writing, hold=True) == []
            decided = pool.submit(
                block, store, MAP, data_provider=None, reason="too general", user_id=1
            )
            wait_for(lambda: somebody_waits(store))
            later = pool.submit(held, store)
            assert standing_blocks(writing) == []
            assert not decided.done()
        decided.result()
        assert len(later.result()) == 1


def held(engine: Engine) -> list[StandingBlock]:
    with engine.begin() as connection:
        return standing_blocks(connection, hold=True)


def somebody_waits(engine: Engine) -> bool:
    waiting = text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with engine.connect() as connection:
        return connection.execute(waiting).first() is not None
