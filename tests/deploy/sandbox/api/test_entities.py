"""The Entity API over HTTP: concepts, mergers, and concepts of other vocabularies."""

import pytest
import requests

from deploy.sandbox.collection import EXACT_MATCHES, MERGED_CONCEPTS
from deploy.sandbox.server import Sandbox


def test_a_concept_answers_with_its_uri_and_what_is_the_same(
    sandbox: Sandbox, client: requests.Session
) -> None:
    entity = client.get(f"{sandbox.url}/entity/concept/43.json", timeout=10).json()
    assert entity["id"] == "http://data.europeana.eu/concept/43"
    assert entity["exactMatch"] == ["http://vocab.getty.edu/aat/300028094"]


def test_merged_concepts_redirect_one_after_the_other(
    sandbox: Sandbox, client: requests.Session
) -> None:
    first = "http://data.europeana.eu/concept/28"
    assert MERGED_CONCEPTS[MERGED_CONCEPTS[first]] == "http://data.europeana.eu/concept/31"
    answer = client.get(f"{sandbox.url}/entity/concept/28.json", timeout=10)
    assert [each.status_code for each in (*answer.history, answer)] == [301, 301, 200]
    assert answer.json()["id"] == "http://data.europeana.eu/concept/31"


def test_a_concept_of_another_vocabulary_redirects_to_europeanas_own(
    sandbox: Sandbox, client: requests.Session
) -> None:
    for uri, own in EXACT_MATCHES.items():
        answer = client.get(
            f"{sandbox.url}/entity/resolve",
            params={"uri": uri},
            timeout=10,
            allow_redirects=False,
        )
        assert (answer.status_code, answer.headers["Location"]) == (301, own)


@pytest.mark.parametrize("path", ["concept/999.json", "resolve?uri=http://vocab.getty.edu/aat/1"])
def test_what_is_unknown_is_not_found(
    sandbox: Sandbox, client: requests.Session, path: str
) -> None:
    answer = client.get(f"{sandbox.url}/entity/{path}", timeout=10)
    assert answer.status_code == 404
    assert answer.json()["success"] is False


def test_a_key_is_needed(sandbox: Sandbox) -> None:
    answer = requests.get(f"{sandbox.url}/entity/concept/43.json", timeout=10)
    assert answer.json()["code"] == "invalid_apikey"
