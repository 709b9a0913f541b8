"""Judging at speed: a digit chooses among the concepts that the model takes for most probable."""

import numpy as np
import pytest
from playwright.sync_api import expect

from common.vocabulary.concepts import VocabularyConcept
from tests.desk.museum import LABELS, MAP, PAINTING, VASE, Museum, narrower_than
from tests.desk.pages.maps import STANDING, saved
from tests.desk.served import ServedDesk
from tests.desk.visiting import Visit
from tests.worker.on_encoder import add_encoder, promote

pytestmark = pytest.mark.timeout(600)

RECORDS = ["/1/a", "/1/b", "/1/c"]
MUSEUM = 'The "first" museum'


@pytest.fixture
def filled(museum: Museum, tmp_path) -> Museum:  # type: ignore[no-untyped-def]
    """A real model on an encoder, which has seen three records."""
    museum.records(MUSEUM, *RECORDS)
    models = tmp_path / "models"
    encoder = add_encoder(museum.engine, models)
    thresholds: dict[str, float | None] = dict.fromkeys(LABELS, 0.5)
    museum.the_model = promote(  # type: ignore[attr-defined]
        museum.engine, models, encoder, name="heads", thresholds=thresholds, kind="single"
    )
    drawn = np.random.default_rng(0).normal(size=(3, encoder.dimension))
    (number,) = museum.rows("SELECT id FROM encoder")[0]
    museum.embed(number, dict(zip(RECORDS, drawn, strict=True)))  # type: ignore[arg-type]
    return museum


@pytest.mark.parametrize("page", ["judge", "teach/judge"])
def test_a_digit_says_right_or_what_it_is_instead(
    filled: Museum, desk: ServedDesk, visit: Visit, page: str
) -> None:
    model: int = filled.the_model  # type: ignore[attr-defined]
    if page == "judge":
        job = filled.job(model, RECORDS)
        filled.enrich(job, model, {each: (next(iter(LABELS)), 0.7) for each in RECORDS})
    visit.page.goto(f"{desk.url}/{page}?provider={MUSEUM}")
    first = visit.page.locator(".batch > .card").first
    choices = first.locator(".probable button")
    expect(choices).to_have_count(3)
    shares = [float(each.split()[-2]) for each in choices.all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    record, predicted = (first.get_attribute(f"data-{name}") for name in ("record", "concept"))
    uris = [each.get_attribute("data-uri") for each in choices.all()]
    other = next(place for place, uri in enumerate(uris, start=1) if uri != predicted)
    visit.press(str(other))
    saved(visit)
    assert filled.rows(STANDING) == [(record, "wrong", uris[other - 1])]
    expect(visit.page.locator(".fifty")).to_contain_text(f"{MUSEUM}: 1 of about 50")
    visit.press("ArrowLeft", str(uris.index(predicted) + 1), "ArrowLeft", "5")
    saved(visit)
    assert filled.rows(STANDING) == [(record, "right", "")]
    visit.press("u", "u")
    saved(visit)
    expect(visit.page.locator(".fifty")).to_contain_text(f"{MUSEUM}: 0 of about 50")
    assert visit.problems == []


def test_digits_of_narrower_concepts_follow_those_of_the_most_probable(
    filled: Museum, desk: ServedDesk, visit: Visit
) -> None:
    """A narrower concept is in one of the two lists only, however probable it is."""
    atlas = "http://example.org/atlas"
    top = VocabularyConcept(uri=MAP, category="map", labels={"en": "map"})
    below = [narrower_than(MAP, atlas, "atlas"), narrower_than(MAP, VASE, "vase")]
    filled.vocabulary(top, *below)
    model: int = filled.the_model  # type: ignore[attr-defined]
    filled.enrich(filled.job(model, RECORDS), model, dict.fromkeys(RECORDS, (MAP, 0.7)))
    visit.page.goto(f"{desk.url}/judge")
    first = visit.page.locator(".batch > .card").first
    uris = [each.get_attribute("data-uri") for each in first.locator(".probable button").all()]
    assert sorted(map(str, uris)) == [MAP, PAINTING]
    assert first.locator(".narrower button").all_inner_texts() == ["3 atlas", "4 vase"]
    visit.press("4", str(uris.index(PAINTING) + 1), "3")
    saved(visit)
    assert filled.rows(STANDING) == [
        (RECORDS[0], "too_general", VASE),
        (RECORDS[1], "wrong", PAINTING),
        (RECORDS[2], "too_general", atlas),
    ]
    assert visit.problems == []
