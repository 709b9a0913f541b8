"""Verdicts as labels."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from common.store.session import open_store
from common.store.teaching.verdicts import (
    count_judged,
    judged_providers,
    taught_labels,
)
from tests.common.store.verdict_rows import add_audit, add_people, say, uri


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """In a transaction on a store with two reviewers."""
    engine: Engine = open_store()
    with engine.connect() as connection:
        add_people(connection)
        yield connection
    engine.dispose()


def labels(connection: Connection, *, several: bool = False) -> dict[str, list[str]]:
    found = taught_labels(connection, several=several)
    return {
        each.record_id: [concept.rpartition("/")[2] for concept in each.concepts]
        for each in found.records
    }


def test_what_was_called_right_or_named_instead_is_the_label(connection: Connection) -> None:
    say(connection, "/1/right", "map")
    say(connection, "/1/wrong", "map", "wrong", instead="toy")
    say(connection, "/1/general", "map", "too_general", instead="atlas")
    say(connection, "/1/nothing", "map", "wrong")
    say(connection, "/1/unclear", "map", "cannot_tell")
    expected = {"/1/right": ["map"], "/1/wrong": ["toy"], "/1/general": ["atlas"]}
    assert labels(connection) == expected
    assert taught_labels(connection).unlabelled == 2


def test_a_withdrawn_verdict_says_nothing(connection: Connection) -> None:
    say(connection, "/1/a", "map", withdrawn=True)
    say(connection, "/1/a", "map", "wrong", instead="toy")
    assert labels(connection) == {"/1/a": ["toy"]}


@pytest.mark.parametrize(
    ("state", "expected"), [("open", {}), ("abandoned", {}), ("closed", {"/1/a": ["map"]})]
)
def test_verdicts_of_an_audit_teach_once_it_is_closed(
    connection: Connection, state: str, expected: dict[str, list[str]]
) -> None:
    say(connection, "/1/a", "map", audit_id=add_audit(connection, state))
    assert labels(connection) == expected


def test_a_record_on_which_reviewers_disagree_teaches_nothing(connection: Connection) -> None:
    say(connection, "/1/denied", "map")
    say(connection, "/1/denied", "map", "wrong", by=2)
    say(connection, "/1/two", "map", "wrong", instead="toy")
    say(connection, "/1/two", "map", "wrong", instead="atlas", by=2)
    say(connection, "/1/same", "map")
    say(connection, "/1/same", "map", by=2)
    say(connection, "/1/half", "map")
    say(connection, "/1/half", "map", "cannot_tell", by=2)
    assert labels(connection) == {"/1/half": ["map"], "/1/same": ["map"]}
    assert taught_labels(connection).disputed == 2


def test_where_records_have_several_concepts_two_are_no_dispute(connection: Connection) -> None:
    say(connection, "/1/a", "map")
    say(connection, "/1/a", "toy")
    assert labels(connection) == {}
    assert labels(connection, several=True) == {"/1/a": ["map", "toy"]}


def test_labels_of_one_data_provider_come_in_the_order_of_judging(connection: Connection) -> None:
    say(connection, "/1/b", "map", minute=1)
    say(connection, "/1/a", "map", minute=2)
    say(connection, "/1/c", "map", minute=0)
    say(connection, "/1/other", "map", provider="Attic")
    say(connection, "/1/nobody", "map", provider=None)
    found = taught_labels(connection, data_provider="Museum").records
    assert [each.record_id for each in found] == ["/1/c", "/1/b", "/1/a"]
    assert {each.data_provider for each in found} == {"Museum"}
    assert found[0].concepts == (uri("map"),)


def test_providers_are_told_with_their_judged_records(connection: Connection) -> None:
    say(connection, "/1/a", "map")
    say(connection, "/1/a", "map", "wrong", by=2)
    say(connection, "/1/b", "map", by=2, minute=1)
    say(connection, "/1/b", "toy", audit_id=add_audit(connection, "closed"))
    say(connection, "/2/a", "map", minute=2, provider="Another museum")
    say(connection, "/3/a", "map", withdrawn=True, provider="Nobody's museum")
    say(connection, "/4/a", "map", provider=None)
    assert [(each.name, each.records, each.reviewers) for each in judged_providers(connection)] == [
        ("Another museum", 1, 1),
        ("Museum", 2, 2),
    ]


def test_judged_records_are_counted_up_to_a_bound(connection: Connection) -> None:
    for record in ("/1/a", "/1/b", "/1/c"):
        say(connection, record, "map")
    say(connection, "/1/a", "toy", by=2)
    say(connection, "/1/audited", "map", audit_id=add_audit(connection, "open"))
    say(connection, "/1/withdrawn", "map", withdrawn=True)
    say(connection, "/2/a", "map", provider="Another museum")
    asked = ["/1/audited", "/1/none"]
    assert count_judged(connection, asked, most=50) == {"Museum": 3}
    assert count_judged(connection, asked, most=2) == {"Museum": 2}
    assert count_judged(connection, [], most=2) == {}
