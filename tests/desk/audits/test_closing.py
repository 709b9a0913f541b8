"""The end of an audit."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from common.errors import UsageError
from common.store.tables import VerdictKind
from desk.audits.bounds import lower_bound
from desk.audits.closing import MoreUnjudgedError, abandon, close
from desk.audits.judging import check_open
from tests.desk.audits.gallery import ANN, BO, MAP, Gallery
from tests.waiting import wait_for

RESULT = "SELECT state, right_ones, precision, ended_at IS NOT NULL FROM audit WHERE id = :id"


def test_only_what_everybody_calls_right_is_right(gallery: Gallery) -> None:
    audit_id = gallery.draw(10)
    rows = gallery.drawn(audit_id)
    for row in rows[:6]:
        gallery.judge(audit_id, row)
    gallery.judge(audit_id, rows[0], user_id=BO)
    gallery.judge(audit_id, rows[1], VerdictKind.WRONG, BO)  # disputed
    gallery.judge(audit_id, rows[2], VerdictKind.CANNOT_TELL, BO)  # disputed
    for row, said in zip(
        rows[6:9],
        [VerdictKind.WRONG, VerdictKind.TOO_GENERAL, VerdictKind.CANNOT_TELL],
        strict=True,
    ):
        gallery.judge(audit_id, row, said)
    gallery.judge(None, rows[9])  # teaches, and is no verdict of the audit: it stays unjudged
    gallery.execute(
        "UPDATE verdict SET withdrawn_at = now() WHERE record_id = :id AND user_id = :ann",
        id=rows[5].record_id,
        ann=ANN,
    )
    close(gallery.engine, audit_id)
    (result,) = gallery.rows(RESULT, id=audit_id)
    assert result == ("closed", 3, lower_bound(3, 10, 120, 0.025) / 120, True)


def test_verdicts_of_another_audit_do_not_count(gallery: Gallery) -> None:
    first, second = gallery.draw(120), gallery.draw(120)
    for row in gallery.drawn(first):
        gallery.judge(first, row)
    close(gallery.engine, second)
    assert gallery.rows(RESULT, id=second) == [("closed", 0, 0.0, True)]


def test_closing_twice_is_closing_once(gallery: Gallery) -> None:
    audit_id = gallery.draw(10)
    gallery.judge(audit_id, gallery.drawn(audit_id)[0])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: close(gallery.engine, audit_id), range(4)))
    before = gallery.rows("SELECT * FROM audit")
    gallery.execute("UPDATE verdict SET said = 'wrong'")
    close(gallery.engine, audit_id)
    assert gallery.rows("SELECT * FROM audit") == before
    with pytest.raises(UsageError, match="You cannot abandon it"):
        abandon(gallery.engine, audit_id)


def test_an_abandoned_audit_proves_nothing_and_has_spent_its_error(gallery: Gallery) -> None:
    audit_id = gallery.draw()
    abandon(gallery.engine, audit_id)
    before = gallery.rows("SELECT * FROM audit")
    abandon(gallery.engine, audit_id)
    assert gallery.rows("SELECT * FROM audit") == before
    with pytest.raises(UsageError, match="proves nothing"):
        close(gallery.engine, audit_id)
    again = gallery.draw()
    assert gallery.rows("SELECT attempt FROM audit WHERE id = :id", id=again) == [(2,)]


def test_closing_waits_for_a_verdict_that_is_being_written(gallery: Gallery) -> None:
    audit_id = gallery.draw(10)
    row = gallery.drawn(audit_id)[0]
    with ThreadPoolExecutor(1) as pool:
        with gallery.engine.begin() as connection:
            check_open(connection, audit_id, [(row.record_id, MAP)])
            closing = pool.submit(close, gallery.engine, audit_id)
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            wait_for(lambda: gallery.rows(waiting))
            connection.execute(
                text("""
                    INSERT INTO verdict (id, record_id, concept_uri, said, user_id, audit_id)
                    VALUES (gen_random_uuid(), :record_id, :concept, 'right', 1, :audit_id)
                """),
                {"record_id": row.record_id, "concept": MAP, "audit_id": audit_id},
            )
        closing.result()
    assert gallery.rows("SELECT right_ones FROM audit") == [(1,)]


def test_a_verdict_that_is_being_taken_back_is_counted_as_not_judged(gallery: Gallery) -> None:
    audit_id = gallery.draw(10)
    for row in gallery.drawn(audit_id):
        gallery.judge(audit_id, row)
    with ThreadPoolExecutor(1) as pool:
        with gallery.engine.begin() as connection:
            check_open(connection, audit_id, [])
            closing = pool.submit(close, gallery.engine, audit_id, most_unjudged=0)
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not gallery.rows(waiting):
                assert not closing.done()
            back = "UPDATE verdict SET withdrawn_at = now() WHERE record_id = :id"
            connection.execute(text(back), {"id": gallery.drawn(audit_id)[0].record_id})
        with pytest.raises(MoreUnjudgedError, match="1 pictures are not judged"):
            closing.result()
    assert gallery.rows("SELECT state FROM audit") == [("open",)]


def test_an_audit_stays_open_while_more_is_unjudged_than_was_told(gallery: Gallery) -> None:
    audit_id = gallery.draw(10)
    with pytest.raises(MoreUnjudgedError, match="10 pictures are not judged"):
        close(gallery.engine, audit_id, most_unjudged=9)
    assert gallery.rows("SELECT state FROM audit") == [("open",)]
    close(gallery.engine, audit_id, most_unjudged=10)
    assert gallery.rows("SELECT state FROM audit") == [("closed",)]


def test_what_is_no_audit_is_named(gallery: Gallery) -> None:
    for end in (close, abandon):
        with pytest.raises(UsageError, match="no audit 99"):
            end(gallery.engine, 99)
