"""The desk answers as Annif does, to Annif's client and to programs that know its fields."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from annif_client import AnnifClient

from common.store.tables import Role
from desk.api.annif.sight import NAMES_NO_PICTURE
from tests.desk.api.annif.drawn_model import KNOWN, NEW, drawn_model
from tests.desk.api.conftest import token
from tests.desk.api.test_api import check_problem
from tests.desk.desk_process import PATIENCE
from tests.desk.museum import MAP, PAINTING, Museum
from tests.desk.picture_host import drawn
from tests.desk.served import ServedDesk, served_desk

BOOK = "A book on vases, which tells of https://museum.example and of much else."
REVIEWER = "annif"


@pytest.fixture
def desk(museum: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    drawn_model(museum, tmp_path)
    with served_desk(tmp_path) as desk:
        yield desk


def address(desk: ServedDesk, museum: Museum, role: Role = Role.REVIEWER) -> str:
    """The address below which the API is, with a token as Annif sends it."""
    secret = token(museum, REVIEWER, role)
    return f"{desk.url.replace('//', f'//annif:{secret}@')}/v1/"


@pytest.fixture
def url(desk: ServedDesk, museum: Museum) -> str:
    return address(desk, museum)


@pytest.fixture
def client(url: str) -> AnnifClient:
    return AnnifClient(url)


def scores(results):
    return {each["uri"]: each["score"] for each in results}


def test_models_are_projects(client, museum):
    (listed,) = client.projects
    assert listed == client.get_project("drawn") == client.get_project("drawn@1")
    assert (listed["project_id"], listed["name"]) == ("drawn@1", "drawn v1")
    assert listed["is_trained"] is True
    assert listed["backend"] == {"backend_id": "image-enrichment"}
    museum.execute("UPDATE model SET stage = 'retired', retired_at = now()")
    assert client.projects == []


@pytest.mark.parametrize("name", ["lost", "drawn@2"])
def test_a_model_that_is_not_there_is_not_found(client, name):
    for ask in (client.get_project, lambda each: client.suggest(each, KNOWN)):
        with pytest.raises(ValueError, match="There is no model"):
            ask(name)


def test_a_document_whose_text_is_a_record_gets_suggestions(client):
    results = client.suggest("drawn", KNOWN)
    assert [each["uri"] for each in results] == sorted(
        (MAP, PAINTING), key=scores(results).get, reverse=True
    )
    (of_map,) = [each for each in results if each["uri"] == MAP]
    assert of_map == {
        **{"uri": MAP, "label": "map", "notation": None, "score": of_map["score"]},
        **{"written": True, "reason": None, "promise": None},
    }
    assert client.suggest("drawn", KNOWN, limit=1) == results[:1]
    assert client.suggest("drawn", KNOWN, threshold=results[0]["score"]) == results[:1]
    assert client.suggest("drawn", BOOK) == []


def test_the_metadata_of_an_ensemble_names_the_picture(client, url, pictures):
    fields = {"text": BOOK, "limit": 100, "project": "drawn", "metadata_shelf": "7"}
    answers = {
        name: asked(url, **fields, **{f"metadata_{name}": value})
        for name, value in [
            ("europeana_id", KNOWN),
            ("image_url", f"{pictures.url}/new.jpg"),
            ("title", KNOWN),
        ]
    }
    assert answers["europeana_id"]["results"] == client.suggest("drawn", KNOWN)
    assert len(answers["image_url"]["results"]) == 2
    assert answers["title"] == {
        "results": [],
        "failure": {
            "stage": "resolve",
            "reason": "no_picture",
            "detail": NAMES_NO_PICTURE,
        },
    }


@pytest.mark.parametrize(
    ("files", "fields", "name"),
    [
        ({"file": ("new.jpg", drawn("new.jpg"))}, {}, "file"),
        (None, {"picture_ulr": "https://museum.example/vase.jpg"}, "picture_ulr"),
    ],
)
def test_an_unknown_field_is_refused(url, files, fields, name):
    answer = requests.post(
        f"{url}projects/drawn/suggest", data=fields, files=files, timeout=PATIENCE
    )
    problem = check_problem(answer, 422)
    assert f"unknown fields: {name}. Known fields: text, limit," in problem


def test_malformed_json_is_a_bad_request(url):
    headers = {"content-type": "application/json"}
    answer = requests.post(
        f"{url}projects/drawn/learn", data="[{", headers=headers, timeout=PATIENCE
    )
    assert "JSON" in check_problem(answer, 400)


def test_an_empty_picture_is_a_failure(url):
    failure = asked(url, files={"picture": ("new.jpg", b"")})["failure"]
    assert (failure["stage"], failure["reason"]) == ("decode", "empty")


def asked(url: str, *, files: object = None, **fields: object) -> dict[str, object]:
    answer = requests.post(
        f"{url}projects/drawn/suggest", data=fields, files=files, timeout=PATIENCE
    )
    answer.raise_for_status()
    found: dict[str, object] = answer.json()
    return found


def test_a_picture_can_be_sent_and_a_text_may_be_long(url, pictures):
    sent = asked(url, files={"picture": ("new.jpg", drawn("new.jpg"))}, limit=1)
    linked = asked(url, picture_url=f"{pictures.url}/new.jpg", text="λόγος " * 200_000, limit=1)
    assert len(sent["results"]) == 1
    assert sent == linked


def test_documents_of_a_batch_keep_their_places(client):
    documents = [
        {"text": BOOK, "document_id": "a book"},
        {"text": BOOK, "metadata": {"europeana_id": KNOWN}},
        {"text": KNOWN, "document_id": "a record"},
    ]
    book, *others = client.suggest_batch("drawn", documents, limit=1)
    assert (book["document_id"], book["results"]) == ("a book", [])
    assert [each["document_id"] for each in others] == [None, "a record"]
    assert [each["results"] for each in others] == 2 * [client.suggest("drawn", KNOWN, limit=1)]
    for refused in (33 * [{"text": KNOWN}], [{"records": KNOWN}]):
        with pytest.raises(requests.HTTPError, match="422"):
            client.suggest_batch("drawn", refused)


def test_a_malformed_document_fails_alone(client):
    documents = [{"record": "vase 1"}, {"picture_url": "ftp://x"}, {"record": KNOWN}]
    *failed, known = client.suggest_batch("drawn", documents)
    assert [each["failure"]["reason"] for each in failed] == ["unknown_record", "invalid_url"]
    assert "vase 1" in failed[0]["failure"]["detail"]
    assert known["results"]


def test_labels_come_in_a_language(url, museum):
    assert asked(url, text=KNOWN, language="de")["results"]
    assert asked(url, text=KNOWN, language="no language; at all")["results"]


VERDICTS = """
    SELECT record_id, concept_uri, said, model_id, desk_user.name
    FROM verdict JOIN desk_user ON desk_user.id = user_id WHERE withdrawn_at IS NULL ORDER BY 1, 2
"""


def test_learning_saves_verdicts_in_the_name_of_the_token(client, museum):
    ((model,),) = museum.rows("SELECT id FROM model")
    documents = [
        {"text": KNOWN, "subjects": [{"uri": MAP, "label": "map"}, {"uri": PAINTING}]},
        {"text": BOOK, "metadata": {"europeana_id": NEW}, "subjects": [{"uri": MAP}]},
    ]
    for _ in range(2):  # the second time they take the place of the first ones
        assert client.learn("drawn", documents).status_code == requests.codes.no_content
        assert museum.rows(VERDICTS) == [
            (record, concept, "right", model, REVIEWER)
            for record, concept in [(KNOWN, MAP), (KNOWN, PAINTING), (NEW, MAP)]
        ]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"text": BOOK, "subjects": [{"uri": MAP}]}, "Document 2 has no record ID"),
        ({"text": "/1/lost", "subjects": [{"uri": MAP}]}, "The record /1/lost is not in the store"),
        ({"text": KNOWN, "subjects": [{"uri": "vase"}]}, "The concept vase is not in the store"),
        ({"record": "vase 1", "subjects": [{"uri": MAP}]}, "Document 2: "),
        ({"text": KNOWN, "subjects": [{}]}, "1.subjects.0.uri"),
        ({"text": KNOWN, "subjects": []}, "1.subjects: "),
        ({"text": KNOWN, "subject": [{"uri": MAP}]}, "1.subjects: "),
        ({"text": KNOWN, "subjects": [{"uri": MAP, "url": MAP}]}, "0.url: this name is not known"),
    ],
)
def test_documents_that_teach_nothing_are_refused_as_a_whole(client, museum, document, problem):
    good = {"text": KNOWN, "subjects": [{"uri": MAP}]}
    with pytest.raises(requests.HTTPError) as refused:
        client.learn("drawn", [good, document])
    assert problem in refused.value.response.json()["detail"]
    assert museum.rows(VERDICTS) == []


def test_a_viewer_may_ask_but_not_teach(desk, museum):
    client = AnnifClient(address(desk, museum, Role.VIEWER))
    assert client.suggest("drawn", KNOWN)
    with pytest.raises(requests.HTTPError, match="403"):
        client.learn("drawn", [])
