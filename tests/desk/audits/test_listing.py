"""The audits of the store, for a page."""

from common.store.tables import AuditState
from desk.audits.certificate import certificate
from desk.audits.closing import abandon, close
from desk.audits.listing import find_audit, list_audits
from tests.desk.audits.gallery import MUSEUM, Gallery
from trainer.models.store import retire_model


def test_audits_are_listed_the_newest_first(gallery: Gallery) -> None:
    numbers = [gallery.draw(10), gallery.draw(10, provider=None, concept=None), gallery.draw(10)]
    for row in gallery.drawn(numbers[0]):
        gallery.judge(numbers[0], row)
    close(gallery.engine, numbers[0])
    abandon(gallery.engine, numbers[1])
    gallery.judge(numbers[2], gallery.drawn(numbers[2])[0])
    with gallery.engine.connect() as connection:
        last, middle, first = list_audits(connection)
        assert list_audits(connection, before=numbers[2]) == [middle, first]
        assert list_audits(connection, model_id=9) == []
    certified = certificate(gallery.engine, numbers[0]).sentence
    assert "at least 70.8 %" in certified
    assert (last.state, last.judged, last.right_ones, last.proves) == (AuditState.OPEN, 1, None, "")
    assert (middle.state, middle.label, middle.data_provider) == (AuditState.ABANDONED, None, None)
    assert (first.title, first.label, first.data_provider) == ("vases v3", "map", MUSEUM)
    assert (first.judged, first.right_ones, first.proves) == (10, 10, certified)
    assert (first.drawn_by, first.attempt, last.attempt) == ("ann", 1, 3)
    retire_model(gallery.engine, gallery.model_id)
    with gallery.engine.connect() as connection:
        assert {each.proves for each in list_audits(connection)} == {""}


def test_one_audit_is_found_by_its_number(gallery: Gallery) -> None:
    number = gallery.draw(10)
    with gallery.engine.connect() as connection:
        found = find_audit(connection, number)
        assert found == list_audits(connection)[0]
        assert find_audit(connection, number + 1) is None
