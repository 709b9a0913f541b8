"""Which enrichments an audit is about, and which audits may be about the same."""

import pytest
from sqlalchemy import text

from common.errors import UsageError
from common.store.decisions import block, refuse
from desk.audits.subject import (
    MOST_ATTEMPTS,
    AuditSubject,
    in_sql,
    next_attempt,
    thresholds_of,
)
from tests.desk.audits.gallery import ANN, MAP, MUSEUM, OTHER, PAINTING, RECORDS, Gallery


def count(gallery: Gallery, subject: AuditSubject) -> int:
    with gallery.engine.connect() as connection:
        chosen = in_sql(connection, subject)
        counted = connection.execute(text(f"SELECT count(*) {chosen.clause}"), chosen.parameters)
        return int(counted.scalar_one())


def attempt(gallery: Gallery, subject: AuditSubject) -> int:
    with gallery.engine.connect() as connection:
        return next_attempt(connection, subject).number


@pytest.mark.parametrize(
    ("provider", "concept", "rows"),
    [
        (MUSEUM, MAP, RECORDS),
        (MUSEUM, PAINTING, RECORDS // 2),
        (MUSEUM, None, RECORDS * 3 // 2),
        (None, PAINTING, RECORDS),
        (None, None, RECORDS * 3),
        ("A  museum\n", MAP, RECORDS),
        ("Nobody", None, 0),
    ],
)
def test_it_is_narrowed_to_a_provider_and_a_concept(
    gallery: Gallery, provider: str | None, concept: str | None, rows: int
) -> None:
    assert count(gallery, gallery.subject(provider, concept)) == rows


def test_a_museum_is_found_however_its_name_is_spelt(gallery: Gallery) -> None:
    gallery.execute("UPDATE record SET data_provider = E'A\\nmuseum' WHERE id LIKE '/1/r1%'")
    assert count(gallery, gallery.subject()) == RECORDS


def test_what_is_blocked_is_not_audited(gallery: Gallery) -> None:
    block(gallery.engine, PAINTING, data_provider=None, reason="x", user_id=ANN)
    refuse(gallery.engine, OTHER, reason="x", user_id=ANN)
    assert count(gallery, gallery.subject(None, None)) == RECORDS


def test_audits_that_may_share_a_row_are_attempts_at_the_same(gallery: Gallery) -> None:
    gallery.draw(provider=MUSEUM, concept=MAP)
    attempts = {
        (provider, concept): attempt(gallery, gallery.subject(provider, concept))
        for provider in (MUSEUM, OTHER, None)
        for concept in (MAP, PAINTING, None)
    }
    of_others = dict.fromkeys(
        [(MUSEUM, PAINTING), (OTHER, MAP), (OTHER, PAINTING), (OTHER, None), (None, PAINTING)], 1
    )
    overlapping = dict.fromkeys([(MUSEUM, MAP), (MUSEUM, None), (None, MAP), (None, None)], 2)
    assert attempts == of_others | overlapping
    gallery.draw(provider=None, concept=None)
    assert attempt(gallery, gallery.subject(OTHER, PAINTING)) == 2
    assert attempt(gallery, gallery.subject(MUSEUM, MAP)) == 3
    assert attempt(gallery, AuditSubject(model_id=2)) == 1


def test_attempts_end_somewhere(gallery: Gallery) -> None:
    audit = gallery.draw()
    gallery.execute(
        "INSERT INTO audit (model_id, thresholds, rows, sample, attempt, error, drawn_by)"
        " SELECT model_id, '{}', 1, 1, 1, 0.5, 1 FROM audit, generate_series(2, :most)"
        " WHERE id = :id",
        most=MOST_ATTEMPTS,
        id=audit,
    )
    with pytest.raises(UsageError, match="audited 100 times"):
        attempt(gallery, gallery.subject())


def test_a_model_that_is_not_there_or_retired_is_not_audited(gallery: Gallery) -> None:
    with gallery.engine.connect() as connection:
        assert thresholds_of(connection, gallery.model_id) == {"x": 0.7}
        with pytest.raises(UsageError, match="no model with number 7"):
            thresholds_of(connection, 7)
    gallery.execute(
        "UPDATE model SET stage = 'retired'"
    )  # as releases before call what was replaced
    with gallery.engine.connect() as connection:
        assert thresholds_of(connection, gallery.model_id)
    gallery.execute("UPDATE model SET retired_at = now()")
    with (
        gallery.engine.connect() as connection,
        pytest.raises(UsageError, match="vases v3 is retired"),
    ):
        thresholds_of(connection, gallery.model_id)


@pytest.mark.parametrize("concept", ["a\0b", "\ud800", "a\nb"])
def test_a_concept_is_plain_text(concept: str) -> None:
    with pytest.raises(UsageError, match="not the URI of a concept"):
        AuditSubject(model_id=1, concept_uri=concept)
