from dataclasses import replace
from uuid import uuid4

import pytest

from common.errors import UsageError
from common.store.tables import VerdictKind
from desk.review.verdicts import MOST_AT_ONCE, NewVerdict, judge, withdraw
from tests.desk.museum import MAP, PAINTING, Museum

STANDING = (
    "SELECT record_id, said, user_id FROM verdict WHERE withdrawn_at IS NULL ORDER BY judged_at"
)


@pytest.fixture
def reviewer(museum: Museum) -> int:
    museum.records("A museum", "/1/a", "/1/b")
    return museum.user()


def verdict(record_id="/1/a", said=VerdictKind.RIGHT, **more):
    return NewVerdict(
        **{"id": uuid4(), "record_id": record_id, "concept": MAP, "said": said} | more
    )


def kept(museum, reviewer, *verdicts):
    with museum.engine.begin() as connection:
        return judge(connection, reviewer, verdicts)


def test_the_same_verdict_twice_is_one(museum, reviewer):
    said = verdict()
    assert kept(museum, reviewer, said) == 1
    assert kept(museum, reviewer, said) == 0
    assert museum.rows(STANDING) == [("/1/a", "right", reviewer)]


def test_who_thinks_again_has_one_standing_verdict(museum, reviewer):
    first = verdict()
    kept(museum, reviewer, first)
    kept(museum, reviewer, verdict(said=VerdictKind.WRONG, instead=PAINTING))
    kept(museum, reviewer, first)  # came late, from a browser that had lost its connection
    assert museum.rows(STANDING) == [("/1/a", "wrong", reviewer)]
    assert len(museum.rows("SELECT 1 FROM verdict")) == 2


def test_two_reviewers_are_both_kept(museum, reviewer):
    other = museum.user("another")
    kept(museum, reviewer, verdict())
    kept(museum, other, verdict(said=VerdictKind.WRONG))
    assert museum.rows(STANDING) == [("/1/a", "right", reviewer), ("/1/a", "wrong", other)]


def test_the_last_of_several_on_one_picture_counts(museum, reviewer):
    assert (
        kept(museum, reviewer, verdict(), verdict(said=VerdictKind.CANNOT_TELL), verdict("/1/b"))
        == 2
    )
    assert {row[:2] for row in museum.rows(STANDING)} == {
        ("/1/a", "cannot_tell"),
        ("/1/b", "right"),
    }


def test_verdicts_are_withdrawn_by_their_reviewer_alone(museum, reviewer):
    said = verdict()
    kept(museum, reviewer, said)
    with museum.engine.begin() as connection:
        assert withdraw(connection, museum.user("another"), [said.id]) == 0
        assert withdraw(connection, reviewer, [said.id, uuid4()]) == 1
        assert withdraw(connection, reviewer, [said.id]) == 0
    assert museum.rows(STANDING) == []


def test_an_id_is_of_one_verdict_of_one_reviewer(museum, reviewer):
    said = verdict()
    kept(museum, reviewer, said)
    others = [
        (reviewer, [replace(said, said=VerdictKind.WRONG)]),
        (reviewer, [replace(said, record_id="/1/b")]),
        (reviewer, [replace(said, concept=PAINTING)]),
        (museum.user("another"), [said]),
        (reviewer, [new := verdict("/1/b"), replace(new, said=VerdictKind.WRONG)]),
    ]
    for who, verdicts in others:
        with pytest.raises(UsageError, match="belongs to another verdict"):
            kept(museum, who, *verdicts)
    assert museum.rows(STANDING) == [("/1/a", "right", reviewer)]


def test_a_verdict_twice_in_one_form_is_one(museum, reviewer):
    said = verdict()
    assert kept(museum, reviewer, said, said) == 1
    assert kept(museum, reviewer, said, verdict("/1/b"), said) == 1
    assert len(museum.rows(STANDING)) == 2


def test_verdicts_of_an_audit_are_withdrawn_as_such_alone(museum, reviewer):
    museum.model()
    museum.execute(
        "INSERT INTO audit (model_id, thresholds, rows, sample, attempt, error, drawn_by)"
        " SELECT id, '{}', 1, 1, 1, 0.025, :who FROM model",
        who=reviewer,
    )
    ((audit_id,),) = museum.rows("SELECT id FROM audit")
    of_audit, of_none = verdict(audit_id=audit_id), verdict()
    kept(museum, reviewer, of_audit, of_none)
    ids = [of_audit.id, of_none.id]
    with museum.engine.begin() as connection:
        assert withdraw(connection, reviewer, ids, audit_id=audit_id) == 1
        assert withdraw(connection, reviewer, ids, audit_id=audit_id) == 0
        assert withdraw(connection, reviewer, ids) == 1
    assert museum.rows(STANDING) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"record_id": "/1/none"}, "The record /1/none is not in the store"),
        ({"concept": "http://x.org/none"}, "The concept http://x.org/none"),
        (
            {"said": VerdictKind.WRONG, "instead": "http://x.org/none"},
            "The concept http://x.org/none",
        ),
        ({"model_id": 999_999_999}, "The model 999999999 is not in the store"),
    ],
)
def test_a_verdict_on_what_is_not_there_is_refused(museum, reviewer, said, words):
    with pytest.raises(UsageError, match=words):
        kept(museum, reviewer, verdict(**said), verdict("/1/b"))
    assert museum.rows(STANDING) == []


def test_another_concept_goes_with_wrong_or_too_general(museum, reviewer):
    with pytest.raises(UsageError, match="only"):
        verdict(instead=PAINTING)
    with pytest.raises(UsageError, match="the same"):
        verdict(said=VerdictKind.WRONG, instead=MAP)


def test_too_many_at_once_are_refused(museum, reviewer):
    with pytest.raises(UsageError, match="are allowed"):
        kept(museum, reviewer, *[verdict() for _ in range(MOST_AT_ONCE + 1)])
    with museum.engine.begin() as connection, pytest.raises(UsageError, match="are allowed"):
        withdraw(connection, reviewer, [uuid4()] * (MOST_AT_ONCE + 1))
