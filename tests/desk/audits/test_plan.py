"""What an audit could prove, before anything is drawn."""

import pytest

from common.errors import UsageError
from desk.audits.bounds import error_of, lower_bound
from desk.audits.plan import PRECISIONS, SAMPLES, plan
from desk.audits.subject import AuditSubject
from tests.desk.audits.gallery import MUSEUM, PAINTING, RECORDS, Gallery


def test_it_says_which_sample_could_prove_what(gallery: Gallery) -> None:
    planned = plan(gallery.engine, gallery.subject())
    assert (planned.rows, planned.attempt.number, planned.attempt.error) == (RECORDS, 1, 0.025)
    samples = {each.drawn: each for each in planned.samples}
    assert list(samples) == [20, 40, 60, 80, RECORDS]
    assert samples[80].best == lower_bound(80, 80, RECORDS, 0.025) / RECORDS
    assert samples[80].least_right == {0.8: 69, 0.9: 76, 0.95: 79}
    assert samples[RECORDS].least_right == {0.8: 96, 0.9: 108, 0.95: 114}
    assert samples[20].least_right == {0.8: 20, 0.9: None, 0.95: None}
    assert gallery.rows("SELECT 1 FROM audit") == []


def test_each_attempt_must_prove_more(gallery: Gallery) -> None:
    gallery.draw()
    again = plan(gallery.engine, gallery.subject())
    assert again.attempt.error == error_of(2)
    first = plan(gallery.engine, gallery.subject(MUSEUM, PAINTING)).sample(20).best
    assert again.sample(20).best == lower_bound(20, 20, RECORDS, error_of(2)) / RECORDS
    assert first != again.sample(20).best
    assert set(again.sample(80).least_right) == set(PRECISIONS)


def test_of_few_rows_all_may_be_drawn_and_of_none_nothing(gallery: Gallery) -> None:
    gallery.execute("DELETE FROM enrichment WHERE record_id NOT LIKE '/1/r1_'")
    few = plan(gallery.engine, gallery.subject(MUSEUM, PAINTING))
    assert [each.drawn for each in few.samples] == [few.rows] == [5]
    none = plan(gallery.engine, gallery.subject("Nobody"))
    assert (none.rows, list(none.samples)) == (0, [])
    assert max(SAMPLES) > RECORDS


def test_without_a_model_there_is_no_plan(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="no model with number 9"):
        plan(gallery.engine, AuditSubject(model_id=9))
