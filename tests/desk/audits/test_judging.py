"""What a reviewer of an audit sees and may say."""

from dataclasses import asdict, replace

import pytest

from common.errors import UsageError
from common.store.tables import VerdictKind
from desk.audits.closing import abandon, close
from desk.audits.judging import AuditStand, check_open, stand
from tests.desk.audits.gallery import ANN, BO, MAP, PAINTING, Gallery


def test_a_reviewer_sees_neither_the_confidence_nor_what_others_say(gallery: Gallery) -> None:
    audit_id = gallery.draw()
    first, second, *_ = gallery.drawn(audit_id)
    gallery.judge(audit_id, first, VerdictKind.WRONG, BO)
    gallery.judge(audit_id, second, VerdictKind.RIGHT, ANN)
    own, others = gallery.drawn(audit_id), gallery.drawn(audit_id, BO)
    assert [each.said for each in own[:3]] == [None, VerdictKind.RIGHT, None]
    assert [each.said for each in others[:3]] == [VerdictKind.WRONG, None, None]
    assert (own[0].label, own[0].data_provider) == ("map", "A museum")
    assert not any("confidence" in name for name in asdict(own[0]))


def test_only_how_many_are_judged_is_told_while_it_is_open(gallery: Gallery) -> None:
    audit_id = gallery.draw()
    first, second, third, *_ = gallery.drawn(audit_id)
    for user in (ANN, BO):
        gallery.judge(audit_id, first, user_id=user)
    gallery.judge(audit_id, second, VerdictKind.CANNOT_TELL)
    gallery.judge(None, third)  # to teach
    with gallery.engine.connect() as connection:
        assert stand(connection, audit_id, user_id=ANN) == AuditStand(judged=2, mine=2)
        assert stand(connection, audit_id, user_id=BO) == AuditStand(judged=2, mine=1)
    gallery.execute("UPDATE verdict SET withdrawn_at = now() WHERE said = 'cannot_tell'")
    with gallery.engine.connect() as connection:
        assert stand(connection, audit_id, user_id=ANN) == AuditStand(judged=1, mine=1)


def test_only_drawn_rows_of_an_open_audit_are_judged(gallery: Gallery) -> None:
    audit_id = gallery.draw()
    row = gallery.drawn(audit_id)[0]
    with pytest.raises(UsageError, match=f"{PAINTING} of {row.record_id} is not in the sample"):
        gallery.judge(audit_id, replace(row, concept_uri=PAINTING))
    with gallery.engine.connect() as connection:
        check_open(connection, audit_id, [(row.record_id, MAP)])
        with pytest.raises(UsageError, match="no audit 99"):
            check_open(connection, 99, [])
    close(gallery.engine, audit_id)
    with pytest.raises(UsageError, match="is closed"):
        gallery.judge(audit_id, row)
    given_up = gallery.draw()
    abandon(gallery.engine, given_up)
    with pytest.raises(UsageError, match="is abandoned"):
        gallery.judge(given_up, gallery.drawn(given_up)[0])


def test_what_is_no_audit_is_named(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="no audit 99"):
        gallery.drawn(99)
    with gallery.engine.connect() as connection, pytest.raises(UsageError, match="no audit 99"):
        stand(connection, 99, user_id=ANN)
