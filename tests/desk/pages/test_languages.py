"""Labels are in the language of the reader's browser, else in English, else in any."""

import csv

import pytest
from playwright.sync_api import Browser, expect

from common.store.vocabularies import keep_vocabulary
from common.vocabulary.concepts import Vocabulary, VocabularyConcept
from tests.desk.museum import MAP, PAINTING, Museum
from tests.desk.visiting import visiting

MUSEUM = Vocabulary.of(
    [
        VocabularyConcept(
            uri=MAP, category="map", labels={"en": "chart", "el": "χάρτης", "bg": "карта"}
        ),
        VocabularyConcept(uri=PAINTING, category="painting", labels={"bg": "живопис"}),
    ]
)


@pytest.fixture
def named(filled: Museum) -> Museum:
    """The model has a vocabulary that lacks vases."""
    with filled.engine.begin() as connection:
        museum, _ = keep_vocabulary(connection, "museum", MUSEUM, source="museum.ttl")
    filled.execute("UPDATE model SET vocabulary_id = :id", id=museum.id)
    return filled


@pytest.mark.parametrize(
    ("locale", "labels"),
    [
        ("el-GR", {"χάρτης", "живопис", "vase"}),
        ("bg", {"карта", "живопис", "vase"}),
        ("de-AT", {"chart", "живопис", "vase"}),
    ],
)
def test_see_and_its_filter_have_the_readers_labels(
    named: Museum, desk, browser: Browser, locale: str, labels: set[str]
) -> None:
    with visiting(browser, locale=locale) as visit:
        visit.page.goto(desk.url)
        expect(visit.page.locator(".card").first).to_be_visible()
        shown = visit.page.locator(".card .label strong").all_inner_texts()
        assert set(shown) == labels
        offered = visit.page.locator("select[name=concept] option").all_inner_texts()
        assert labels <= {each.strip() for each in offered}


def test_a_download_has_the_readers_label_and_all_languages(
    named: Museum, desk, browser: Browser
) -> None:
    with visiting(browser, locale="el-GR") as visit:
        visit.page.goto(desk.url)
        text = visit.page.evaluate("fetch('/download?format=csv').then(answer => answer.text())")
    rows = [each for each in csv.DictReader(text.splitlines()) if each["concept"] == MAP]
    assert {(each["label"], each["label_bg"], each["label_en"]) for each in rows} == {
        ("χάρτης", "карта", "chart")
    }
