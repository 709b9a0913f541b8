import json
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import VocabularyError
from common.europeana.concept_uris import concept_uri_forms, current_concept_uri
from common.vocabulary.reading import MAX_BYTES, load_vocabulary

REPOSITORY = Path(__file__).resolve().parents[3]
PILOT = REPOSITORY.parent / "shared" / "data" / "pilot" / "vocabulary_2021.json"
OLD_FORM = re.compile(r"^https?://data\.europeana\.eu/[a-z]+/base/")  # what the store refuses
KINDS = st.sampled_from(["concept", "agent", "place", "timespan", "organization"])


def written(folder, content):
    path = folder / "vocabulary.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


@given(st.sampled_from(["http", "https"]), KINDS, st.sampled_from(["", "base/", "base/base/"]))
def test_all_forms_of_a_europeana_uri_become_one(scheme, kind, base):
    uri = f"{scheme}://data.europeana.eu/{kind}/{base}47"
    assert current_concept_uri(uri) == f"http://data.europeana.eu/{kind}/47"


@given(st.text() | st.from_regex(r"http://data\.europeana\.eu/[a-z]{1,5}/(base/|[a-z0-9/]){0,5}"))
def test_the_current_form_is_final_and_never_the_old_one(text):
    current = current_concept_uri(text)
    assert current_concept_uri(current) == current
    assert not OLD_FORM.match(current)


@pytest.mark.parametrize(
    "uri",
    [
        "http://vocab.getty.edu/aat/300266151",
        "https://www.wikidata.org/entity/Q1",
        "http://example.org/?same=http://data.europeana.eu/concept/base/3",
    ],
)
def test_uris_that_europeana_did_not_coin_stay_as_they_are(uri):
    assert current_concept_uri(uri) == uri
    assert concept_uri_forms(uri) == (uri,)


def test_records_are_found_by_the_old_form_too():
    forms = ("http://data.europeana.eu/concept/47", "http://data.europeana.eu/concept/base/47")
    assert concept_uri_forms(forms[0]) == concept_uri_forms(forms[1]) == forms


def test_a_vocabulary_is_read_in_the_order_of_its_labels_with_current_uris(tmp_path):
    path = written(
        tmp_path,
        {
            "weaponry": "http://vocab.getty.edu/aat/300036926",
            "map": " https://data.europeana.eu/concept/base/43 ",
        },
    )
    assert list(load_vocabulary(path).items()) == [
        ("map", "http://data.europeana.eu/concept/43"),
        ("weaponry", "http://vocab.getty.edu/aat/300036926"),
    ]


MAP = "http://data.europeana.eu/concept/43"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: not JSON"),
        ('{"map": \n"x",}', "line 2: not JSON"),
        ("{}", "at least one label"),
        ("[]", "one JSON object"),
        ("[1, 2]", "one JSON object"),
        ('"map"', "one JSON object"),
        ("null", "one JSON object"),
        ("[" * 100_000, "nested too deeply|not JSON"),
        ({"..": MAP}, "label '..' has neither a letter nor a digit"),
        ({"": MAP}, "label '' has neither a letter nor a digit"),
        ({"map": MAP, "Map": "http://example.org/4"}, "have the same label"),
        ({"map": 43}, "label 'map' needs a concept URI, not 43"),
        ({"map": None}, "label 'map' needs a concept URI"),
        ({"map": {"uri": MAP}}, "label 'map' needs a concept URI"),
        ({"map": "concept/43"}, "label 'map' needs a concept URI"),
        ({"map": "ftp://example.org/43"}, "label 'map' needs a concept URI"),
        ({"map": 'http://example.org/4" OR *:*'}, "label 'map' needs a concept URI"),
        ({"map": "http://example.org/\x00"}, "label 'map' needs a concept URI"),
        ({"map": "http://example.org/\ud800"}, "label 'map' needs a concept URI"),
        ({"map": MAP, "plan": MAP.replace("concept/", "concept/base/")}, "'map' and 'plan' mean"),
        (f'{{"map": "{MAP}", "map": "http://example.org/4"}}', "'map' is there twice"),
        (f'{{"map": "{MAP}", "map": "{MAP}"}}', "'map' and 'map' mean the same"),
    ],
)
def test_a_wrong_vocabulary_is_refused_with_file_label_and_reason(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(VocabularyError, match=message) as refusal:
        load_vocabulary(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "There is no vocabulary file"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_bytes(b'{"map": "\xff"}'), "cannot be read"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.write_text(f'{{"map": {"9" * 5000}}}'), "cannot be read"),
        (lambda path: path.write_text(" " * (MAX_BYTES + 1)), "are allowed"),
    ],
    ids=["absent", "folder", "latin-1", "endless", "pipe", "digits", "large"],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, prepare, message):
    path = tmp_path / "vocabulary.json"
    prepare(path)
    with pytest.raises(VocabularyError, match=message):
        load_vocabulary(path)


def test_a_label_may_have_any_letters_and_its_category_names_folders(tmp_path):
    labels = ["céramique", "Χάρτης / Σχέδιο", "../карта", "Map?", "a__b"]
    path = written(tmp_path, {each: f"http://example.org/{n}" for n, each in enumerate(labels)})
    assert list(load_vocabulary(path)) == [
        "a_b", "céramique", "map", "χάρτης_σχέδιο", "карта",
    ]  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["map", "a_b", "Map", ""]), json_values) | json_values)
def test_whatever_a_file_holds_it_is_a_vocabulary_or_an_error(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), json.dumps(content))
    with suppress(VocabularyError):
        assert load_vocabulary(path)


@pytest.mark.skipif(not PILOT.exists(), reason="needs ../shared/data/pilot")
def test_the_vocabulary_of_the_pilot_is_brought_to_todays_form():
    vocabulary = load_vocabulary(PILOT)
    assert len(vocabulary) == 20
    assert vocabulary["painting"] == "http://data.europeana.eu/concept/47"
