"""What is written of a vocabulary is read again as the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UsageError, VocabularyError
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, with_categories
from common.vocabulary.differences import differences
from common.vocabulary.reading import read_vocabulary
from common.vocabulary.writing import form_of, written

WORDS = st.text("abcπάρтε éß&<\"'\\/", min_size=1, max_size=8).map(
    lambda text: " ".join(f"x{text}".split())
)
LANGUAGES = st.sampled_from(["", "de", "el", "pt-br"])
URIS = st.integers(0, 5).map("http://example.org/c/{}".format)


@st.composite
def vocabularies(draw):
    uris = draw(st.lists(URIS, min_size=1, max_size=5, unique=True))
    concepts = [
        VocabularyConcept(
            uri=uri,
            category="",
            labels=draw(st.dictionaries(LANGUAGES, WORDS, min_size=1)),
            alternatives=draw(
                st.dictionaries(
                    LANGUAGES,
                    st.lists(WORDS, min_size=1, unique=True).map(lambda each: tuple(sorted(each))),
                )
            ),
            definitions=draw(st.dictionaries(LANGUAGES, WORDS)),
            broader=tuple(uris[place] for place in range(draw(st.integers(0, number)))),
            exact_matches=tuple(sorted(draw(st.sets(URIS)))),
            notation=draw(st.none() | WORDS),
        )
        for number, uri in enumerate(uris)
    ]
    try:
        return Vocabulary.of(with_categories(concepts))
    except VocabularyError:  # two have one label
        return Vocabulary.of(with_categories(concepts[:1]))


@settings(max_examples=60)
@given(vocabulary=vocabularies(), suffix=st.sampled_from([".ttl", ".rdf", ".jsonld"]))
def test_each_form_of_skos_says_all_of_a_vocabulary(tmp_path_factory, vocabulary, suffix):
    path = tmp_path_factory.getbasetemp() / f"written{suffix}"
    path.write_text(written(vocabulary, form_of(path.name)))
    again = read_vocabulary(path)
    assert list(differences(vocabulary, again)) == []
    assert again.fingerprint == vocabulary.fingerprint


def test_the_plain_form_has_a_label_and_a_uri_of_each_concept(tmp_path):
    concepts = [
        VocabularyConcept(uri="http://example.org/a", category="", labels={"de": "Karte"}),
        VocabularyConcept(uri="http://example.org/b", category="", labels={"": "toy"}),
    ]
    path = tmp_path / "plain.json"
    path.write_text(written(Vocabulary.of(with_categories(concepts)), "plain"))
    assert read_vocabulary(path).categories == {
        "karte": "http://example.org/a",
        "toy": "http://example.org/b",
    }


def test_a_name_that_says_no_form_is_refused():
    with pytest.raises(UsageError, match=r"museum.csv must end in one of \.ttl"):
        form_of("museum.csv")
