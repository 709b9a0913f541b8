"""The languages that a reader wants labels in."""

import pytest

from common.errors import UsageError
from common.vocabulary.concepts import main_label
from common.vocabulary.languages import checked_languages, wanted_languages


@pytest.mark.parametrize(
    ("accepted", "languages"),
    [
        ("", []),
        ("*", []),
        ("de", ["de"]),
        ("de-AT,de;q=0.9,en;q=0.5", ["de-at", "de", "en"]),
        ("en;q=0.5, el;q=0.9", ["el", "en"]),
        ("fr;q=0, it", ["it"]),
        ("x" * 1000 + ", lv", ["lv"]),
        ("de;q=many, \x00, ../, bg", ["bg"]),
    ],
)
def test_a_header_gives_languages_in_their_order(accepted, languages):
    assert wanted_languages(accepted) == languages


@pytest.mark.parametrize(
    ("languages", "label"),
    [
        (["el", "en"], "χάρτης"),
        (["de-at", "de"], "map"),
        ([], "map"),
    ],
)
def test_the_label_is_in_the_readers_language_else_english(languages, label):
    assert main_label({"el": "χάρτης", "en": "map", "": "m"}, languages) == label


def test_without_english_the_label_has_no_language_or_any():
    assert main_label({"el": "χάρτης", "": "m"}) == "m"
    assert main_label({"lv": "karte", "el": "χάρτης"}) == "χάρτης"


def test_a_typed_language_is_checked():
    assert checked_languages("pt-BR") == ["pt-br", "pt"]
    with pytest.raises(UsageError, match="'Deutsch!' is not a language"):
        checked_languages("Deutsch!")
