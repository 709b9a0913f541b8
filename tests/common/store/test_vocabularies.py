"""Vocabularies in the store: versions that stay, and labels in the reader's language."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from common.errors import UsageError
from common.store.vocabularies import (
    find_vocabulary,
    keep_vocabulary,
    list_vocabularies,
    read_kept,
)
from common.vocabulary.concepts import Vocabulary, VocabularyConcept

MAP, TOY = "http://example.org/map", "http://example.org/toy"
MUSEUM = Vocabulary.of(
    [
        VocabularyConcept(
            uri=MAP,
            category="map",
            labels={"en": "map", "el": "χάρτης"},
            alternatives={"en": ("chart",)},
            definitions={"en": "A drawing of a place."},
            exact_matches=("http://data.europeana.eu/concept/43",),
            notation="M",
        ),
        VocabularyConcept(uri=TOY, category="toy", labels={"": "toy"}, broader=(MAP,)),
    ]
)


def with_label(vocabulary, uri, **labels):
    changed = replace(vocabulary.by_uri[uri], labels=labels)
    return Vocabulary.of([changed if each.uri == uri else each for each in vocabulary.concepts])


def label(connection, vocabulary, uri, *languages):
    asked = {"vocabulary": vocabulary and vocabulary.id, "uri": uri, "languages": list(languages)}
    return connection.scalar(
        text("SELECT concept_label(:vocabulary, :uri, CAST(:languages AS text[]))"), asked
    )


def test_what_is_kept_is_read_again(connection):
    version, is_new = keep_vocabulary(connection, "museum", MUSEUM, source="museum.ttl")
    assert (str(version), is_new) == ("museum@1", True)
    assert read_kept(connection, version.id) == MUSEUM


def test_the_same_content_makes_no_version_and_another_makes_the_next(connection):
    first, _ = keep_vocabulary(connection, "museum", MUSEUM, source="museum.ttl")
    assert keep_vocabulary(connection, "museum", MUSEUM, source="copy.ttl") == (first, False)
    changed = with_label(MUSEUM, MAP, en="maps")
    second, is_new = keep_vocabulary(connection, "museum", changed, source="museum.ttl")
    assert (str(second), is_new) == ("museum@2", True)
    assert find_vocabulary(connection, "museum") == second
    assert find_vocabulary(connection, "museum@1") == first
    assert read_kept(connection, first.id) == MUSEUM
    assert [(each.version, each.concepts) for each in list_vocabularies(connection)] == [
        (1, 2),
        (2, 2),
    ]


@pytest.mark.parametrize("reference", ["", "other", "museum@2", "museum@", "../museum"])
def test_a_vocabulary_that_is_not_there_is_named_with_those_that_are(connection, reference):
    keep_vocabulary(connection, "museum", MUSEUM, source="museum.ttl")
    with pytest.raises(UsageError, match="there are: museum@1"):
        find_vocabulary(connection, reference)


@pytest.mark.parametrize("name", ["", "a museum", "museum@1", "-museum", "m" * 101])
def test_a_name_that_names_no_file_is_refused(connection, name):
    with pytest.raises(UsageError, match="cannot be the name of a vocabulary"):
        keep_vocabulary(connection, name, MUSEUM, source="museum.ttl")


def test_a_label_is_in_the_readers_language_else_english_else_any(connection):
    museum, _ = keep_vocabulary(connection, "museum", MUSEUM, source="museum.ttl")
    assert label(connection, museum, MAP, "el", "en") == "χάρτης"
    assert label(connection, museum, MAP, "de") == "map"
    assert label(connection, museum, TOY, "el") == "toy"
    lettish = with_label(MUSEUM, MAP, lv="karte")
    other, _ = keep_vocabulary(connection, "other", lettish, source="other.ttl")
    assert label(connection, other, MAP, "el") == "karte"


def test_a_concept_without_a_vocabulary_keeps_the_label_that_the_store_first_knew(connection):
    connection.execute(text("INSERT INTO concept (uri, label) VALUES (:uri, 'plan')"), {"uri": MAP})
    keep_vocabulary(connection, "museum", MUSEUM, source="museum.ttl")
    assert label(connection, None, MAP, "el") == "plan"
    assert label(connection, None, TOY, "el") == "toy"
    asked = {"uri": MAP}
    assert connection.scalar(text("SELECT category_of(NULL, :uri)"), asked) == "plan"
