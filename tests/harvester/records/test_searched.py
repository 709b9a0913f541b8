"""Which concepts are searched, and by which URIs."""

import pytest

from common.errors import UsageError, VocabularyError
from common.europeana.metadata import RecordMetadata
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, with_categories
from harvester.datasets.vocabulary import ChosenVocabulary
from harvester.records.labelling import Labelling
from harvester.records.searched import SearchedConcepts, chosen_concepts

OWN = "http://museum.example/concept/"
JEWELLERY, RING, SIGNET, TOY = (f"{OWN}{name}" for name in ("jewellery", "ring", "signet", "toy"))
AAT = "http://vocab.getty.edu/aat/300046027"
EUROPEANA = "http://data.europeana.eu/concept/41"


def concept(uri, label, *broader, matches=(), **labels):
    return VocabularyConcept(
        uri=uri,
        category="",
        labels={"en": label, **labels},
        broader=broader,
        exact_matches=matches,
    )


def vocabulary(*concepts):
    return Vocabulary.of(with_categories(concepts))


MUSEUM = vocabulary(
    concept(JEWELLERY, "jewellery", matches=(EUROPEANA,), de="Schmuck"),
    concept(RING, "ring", JEWELLERY, matches=(AAT,), de="Fingerring"),
    concept(SIGNET, "signet ring", RING),
    concept(TOY, "toy"),
)
GIVEN = ChosenVocabulary(content=MUSEUM, name="museum", source="a test")


def of_record(*uris, **options):
    return Labelling(GIVEN, **options).of_record(RecordMetadata(id="/1/a", concepts=uris))


def test_an_exact_match_stands_for_its_concept() -> None:
    assert of_record(AAT) == {RING}
    assert of_record(EUROPEANA) == {JEWELLERY}


def test_all_forms_of_a_uri_are_searched_the_concepts_own_first() -> None:
    assert SearchedConcepts(MUSEUM).forms(JEWELLERY) == (
        JEWELLERY, EUROPEANA, "http://data.europeana.eu/concept/base/41"
    )  # fmt: skip


def test_with_narrower_all_below_a_concept_stands_for_it_too() -> None:
    assert of_record(SIGNET) == {SIGNET}
    assert of_record(SIGNET, narrower=True) == {JEWELLERY, RING, SIGNET}
    assert of_record(AAT, narrower=True, chosen=(JEWELLERY,)) == {JEWELLERY}
    assert set(SearchedConcepts(MUSEUM, [RING], narrower=True).forms(RING)) == {RING, AAT, SIGNET}


@pytest.mark.parametrize("narrower", [False, True])
def test_in_single_mode_the_most_specific_concept_counts_alone(narrower) -> None:
    assert of_record(JEWELLERY, RING, mode="single", narrower=narrower) == {RING}
    assert of_record(JEWELLERY, SIGNET, mode="single", narrower=narrower) == {SIGNET}
    assert of_record(RING, TOY, mode="single", narrower=narrower) == frozenset()


def test_in_single_mode_a_concept_is_searched_without_what_is_a_category_of_its_own() -> None:
    both = SearchedConcepts(MUSEUM, [JEWELLERY, RING], narrower=True, nearest=True)
    assert RING not in both.forms(JEWELLERY)
    assert SIGNET in both.forms(RING)
    alone = SearchedConcepts(MUSEUM, [JEWELLERY], narrower=True, nearest=True)
    assert {RING, AAT, SIGNET} < set(alone.forms(JEWELLERY))


def test_a_uri_that_stands_for_two_concepts_is_refused_and_both_are_named() -> None:
    twice = vocabulary(concept(RING, "ring", matches=(AAT,)), concept(TOY, "toy", matches=(AAT,)))
    with pytest.raises(VocabularyError, match=rf"{AAT} is an exactMatch of {RING} and of {TOY}"):
        SearchedConcepts(twice)
    assert SearchedConcepts(twice, [RING]).named_by([AAT]) == {RING}
    own = vocabulary(concept(RING, "ring", matches=(TOY,)), concept(TOY, "toy"))
    with pytest.raises(VocabularyError, match=rf"{TOY} is a concept and {RING} has it as exact"):
        SearchedConcepts(own)


@pytest.mark.parametrize("name", [RING, "ring", "Fingerring", "fingerRING"])
def test_a_concept_is_chosen_by_uri_category_or_label(name) -> None:
    assert chosen_concepts(MUSEUM, [name]) == (RING,)


def test_a_category_that_the_vocabulary_lacks_or_that_means_two_is_refused() -> None:
    with pytest.raises(UsageError, match="no concept 'spoon'"):
        chosen_concepts(MUSEUM, ["spoon"])
    two = vocabulary(concept(RING, "ring", de="Band"), concept(TOY, "toy", nl="band"))
    with pytest.raises(UsageError, match=rf"'band' is the label of {RING} and {TOY}"):
        chosen_concepts(two, ["band"])
