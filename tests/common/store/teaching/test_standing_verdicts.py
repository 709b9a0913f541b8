"""What all reviewers together say of a concept of a record."""

import pytest
from sqlalchemy import Engine, text

from common.store.session import open_store
from common.store.teaching.standing_verdicts import STANDING_VERDICTS
from tests.common.store.verdict_rows import add_audit, add_people, say, uri

_VERDICTS = text(f"SELECT record_id, concept_uri, verdict FROM ({STANDING_VERDICTS}) AS standing")


@pytest.fixture
def engine(database_url: str) -> Engine:
    return open_store()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["right"], "right"),
        (["wrong"], "wrong"),
        (["wrong", "wrong", "right"], "wrong"),
        (["wrong", "right"], "disputed"),
        (["wrong", "right", "right"], "disputed"),
        (["right", "too_general"], "disputed"),
        (["right", "cannot_tell"], "right"),
        (["wrong", "cannot_tell"], "wrong"),
        (["too_general", "cannot_tell"], "too_general"),
        (["cannot_tell"], "cannot_tell"),
    ],
)
def test_reviewers_have_one_verdict_together(
    engine: Engine, words: list[str], expected: str
) -> None:
    with engine.connect() as connection:
        add_people(connection, reviewers=3)
        for number, said in enumerate(words, start=1):
            say(connection, "/1/a", "map", said, by=number)
        assert connection.execute(_VERDICTS).all() == [("/1/a", uri("map"), expected)]


def test_the_concept_that_is_named_instead_is_called_right(engine: Engine) -> None:
    with engine.connect() as connection:
        add_people(connection)
        say(connection, "/1/a", "map", "wrong", instead="toy")
        found = {tuple(row) for row in connection.execute(_VERDICTS)}
    assert found == {("/1/a", uri("map"), "wrong"), ("/1/a", uri("toy"), "right")}


@pytest.mark.parametrize(
    ("state", "expected"), [("open", []), ("abandoned", []), ("closed", ["wrong"])]
)
def test_verdicts_of_an_audit_count_once_it_is_closed(
    engine: Engine, state: str, expected: list[str]
) -> None:
    with engine.connect() as connection:
        add_people(connection)
        say(connection, "/1/a", "map", "wrong", audit_id=add_audit(connection, state))
        found = connection.execute(_VERDICTS)
        assert [row.verdict for row in found] == expected
