"""Drawing an audit: frozen first, and then by chance alone."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from scipy.stats import chisquare

from common.errors import UsageError
from desk.audits import draw as drawing
from desk.audits.draw import FrozenBlock, draw, places_in
from desk.audits.plan import MOST_DRAWN
from tests.desk.audits.gallery import ANN, BO, MAP, MUSEUM, PAINTING, RECORDS, Gallery


def frozen(gallery: Gallery, audit_id: int) -> list[tuple[object, ...]]:
    return gallery.rows(
        "SELECT concept_uri, unnest(record_ids) FROM audit_block WHERE audit_id = :id"
        " ORDER BY number",
        id=audit_id,
    )


def test_it_freezes_model_thresholds_rows_and_sample(gallery: Gallery) -> None:
    audit_id = gallery.draw(20)
    (audit,) = gallery.rows(
        "SELECT state, model_id, data_provider, concept_uri, thresholds, rows, sample, attempt,"
        " error, drawn_by FROM audit WHERE id = :id",
        id=audit_id,
    )
    about = ("open", 1, MUSEUM, MAP, {"x": 0.7})
    assert audit == (*about, RECORDS, 20, 1, 0.025, ANN)
    rows = frozen(gallery, audit_id)
    assert sorted(rows) == sorted((MAP, f"/1/r{n}") for n in range(1, RECORDS + 1))


def test_what_is_drawn_was_frozen_each_row_once_with_its_picture(gallery: Gallery) -> None:
    audit_id = gallery.draw(50, provider=None, concept=None)
    rows = set(frozen(gallery, audit_id))
    assert len(rows) == RECORDS * 3
    drawn = gallery.drawn(audit_id)
    assert [each.place for each in drawn] == list(range(1, 51))
    assert len({(each.concept_uri, each.record_id) for each in drawn} & rows) == 50
    assert all(each.image_url == f"http://museum.example{each.record_id}" for each in drawn)


def test_blocks_are_bounded_and_of_one_concept(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "BLOCK", 50)
    audit_id = gallery.draw(180, concept=None)
    sizes = gallery.rows(
        "SELECT concept_uri, cardinality(record_ids) FROM audit_block ORDER BY number"
    )
    of = {concept: [size for uri, size in sizes if uri == concept] for concept in (MAP, PAINTING)}
    assert (sum(of[MAP]), sum(of[PAINTING])) == (RECORDS, RECORDS // 2)
    assert max(of[MAP] + of[PAINTING]) <= 50
    drawn = {(each.concept_uri, each.record_id) for each in gallery.drawn(audit_id)}
    assert drawn == set(frozen(gallery, audit_id))


def test_what_is_enriched_later_is_not_licensed(gallery: Gallery) -> None:
    audit_id = gallery.draw()
    gallery.execute("DELETE FROM enrichment WHERE record_id > '/1/r5'")
    assert len(frozen(gallery, audit_id)) == RECORDS
    assert len(gallery.drawn(audit_id)) == 20


def test_places_are_counted_through_all_blocks() -> None:
    blocks = [
        FrozenBlock(audit_id=1, number=number, size=size)
        for number, size in enumerate((3, 1, 2), start=1)
    ]
    assert places_in(blocks, [5, 0, 3, 2, 4, 1]) == [(3, 2), (1, 1), (2, 1), (1, 3), (3, 1), (1, 2)]


def test_every_row_is_drawn_as_often_as_any_other_and_in_any_place(gallery: Gallery) -> None:
    """Chance may fail it once in a million times."""
    few = "DELETE FROM enrichment WHERE record_id NOT LIKE '/1/r1_' OR concept_uri <> :map"
    gallery.execute(few, map=MAP)
    draws = 150
    first: Counter[str] = Counter()
    drawn: Counter[str] = Counter()
    for _ in range(draws):
        audit_id = gallery.draw(4)
        rows = gallery.drawn(audit_id)
        first[rows[0].record_id] += 1
        drawn.update(each.record_id for each in rows)
        gallery.execute("TRUNCATE audit CASCADE")
    assert (len(drawn), drawn.total()) == (10, 4 * draws)
    assert chisquare(list(first.values())).pvalue > 1e-6
    # Of 4 rows of a draw none is there twice, so that counts vary less than this test expects.
    assert chisquare(list(drawn.values())).pvalue > 1e-6


def test_two_draws_at_once_are_two_attempts(gallery: Gallery) -> None:
    with ThreadPoolExecutor(4) as pool:
        audits = list(pool.map(lambda _: gallery.draw(5), range(8)))
    assert len(set(audits)) == 8
    attempts = gallery.rows("SELECT attempt, error FROM audit ORDER BY attempt")
    assert attempts == [(k, 0.05 / 2**k) for k in range(1, 9)]


@pytest.mark.parametrize(
    ("sample", "provider", "message"),
    [
        (0, MUSEUM, "1 to 2,000"),
        (MOST_DRAWN + 1, MUSEUM, "1 to 2,000"),
        (RECORDS + 1, MUSEUM, "A sample of 121 is too large: the audit has only 120"),
        (1, "Nobody", "the audit has only 0 enrichments"),
    ],
)
def test_a_sample_is_of_the_rows(
    gallery: Gallery, sample: int, provider: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        draw(gallery.engine, gallery.subject(provider), sample=sample, user_id=ANN)
    assert gallery.rows("SELECT 1 FROM audit") == []


def test_a_retired_model_is_not_audited(gallery: Gallery) -> None:
    gallery.execute("UPDATE model SET retired_at = now()")
    with pytest.raises(UsageError, match="vases v3 is retired"):
        gallery.draw()


def test_a_form_that_is_sent_twice_draws_once(gallery: Gallery) -> None:
    def send(sample: int = 20, user_id: int = ANN) -> int:
        subject = gallery.subject()
        return draw(gallery.engine, subject, sample=sample, user_id=user_id, attempt=1)

    with ThreadPoolExecutor(3) as pool:
        numbers = set(pool.map(lambda _: send(), range(3)))
    assert len(numbers) == 1
    for other in ({"sample": 40}, {"user_id": BO}):
        with pytest.raises(UsageError, match="Look at the plan again"):
            send(**other)
    assert gallery.rows("SELECT attempt FROM audit") == [(1,)]
