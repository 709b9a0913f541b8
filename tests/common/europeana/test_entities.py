"""What the Entity API says of a concept; the sandbox's answers are tested with the command."""

import pytest

from common.errors import ApiError
from common.europeana.entities import EntityApi, PresentConcept
from tests.common.europeana.conftest import answering

CONCEPT = "http://data.europeana.eu/concept/"
AAT = "http://vocab.getty.edu/aat/300054300"


@pytest.fixture
def api(server):
    with EntityApi(server.settings) as api:
        yield api


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ([AAT, f"{CONCEPT}base/84", AAT, 7, "no URI"], (AAT, f"{CONCEPT}84")),
        (AAT, (AAT,)),
        (None, ()),
    ],
)
def test_exact_matches_come_with_a_concept_each_once_and_in_todays_form(api, server, given, known):
    server.scripts = [answering({"id": f"{CONCEPT}base/84", "exactMatch": given})]
    assert api.present_concept(f"{CONCEPT}84") == PresentConcept(f"{CONCEPT}84", known)


def test_a_concept_of_another_vocabulary_has_the_matches_of_europeanas_own(api, server):
    named = answering({"id": f"{CONCEPT}84", "exactMatch": [AAT]})
    server.scripts = [answering(b"", 301, Location=f"{CONCEPT}84"), named]
    assert api.present_concept(AAT) == PresentConcept(f"{CONCEPT}84", (AAT,))


def test_endless_mergers_end_in_words(api, server):
    answers = [answering(b"", 301, Location=f"{CONCEPT}{n}") for n in (1, 2, 3, 4, 5)]
    server.scripts = answers
    with pytest.raises(ApiError, match="more than 5 times"):
        api.present_concept(f"{CONCEPT}9")
