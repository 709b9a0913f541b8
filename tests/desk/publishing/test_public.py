"""Where a statement comes from: for everyone, as a page and as linked data, and no name in it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import requests
from pyld import jsonld

from common.publishing.plans import make_plan
from common.publishing.withdrawals import WithdrawalScope, withdraw
from common.vision.answers.promise import Promise
from common.vision.answers.tally import BINS, Tally
from desk.publishing.public import PUBLIC_CACHE
from tests.desk.caller import Caller
from tests.desk.museum import Museum
from tests.desk.publishing.conftest import MAPS, OPERATOR, VIEWER, publish_all
from tests.desk.served import ServedDesk, served_desk
from tests.publisher.statement_rows import confirm

pytestmark = pytest.mark.timeout(600)

PROV = "http://www.w3.org/ns/prov#"
PROMISE = Promise(
    precision=0.9,
    confidence=0.95,
    providers={"Other Museum": 34, "Toy Museum": 1200},
    measured_on="own pictures",
    said=Tally(pictures=1, written=1, unlike=0, confidences=(0,) * (BINS - 1) + (1,)),
)
NAMES = (OPERATOR, VIEWER, "Rita Reviewer", "r1")


@pytest.fixture
def public(museum: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    """What everyone may read, with statements at Europeana; a reviewer confirmed the first one."""
    museum.encoder(1)
    museum.execute("UPDATE encoder SET licence = 'Apache-2.0'")
    promised = json.dumps(asdict(PROMISE))
    museum.execute("UPDATE model SET promise = CAST(:promised AS jsonb)", promised=promised)
    with museum.engine.begin() as connection:
        confirm(connection, MAPS[0], by=2)
    make_plan(museum.engine, user_id=museum.users[OPERATOR])
    publish_all(museum)
    with served_desk(tmp_path, is_public=True, PUBLIC_URL="https://statements.example") as desk:
        yield desk


def name_of(museum: Museum, record: str) -> str:
    asked = "SELECT name FROM publication WHERE record_id = :record"
    return str(museum.rows(asked, record=record)[0][0])


def get(desk: ServedDesk, path: str, **headers: str) -> requests.Response:
    return Caller(desk).session.get(desk.url + path, headers=headers, timeout=60)


def expanded(answer: requests.Response) -> dict[str, object]:
    """A document as a reader of JSON-LD has it, who has no network."""
    assert answer.headers["content-type"] == "application/ld+json"

    def offline(url: str, _: object) -> None:
        raise AssertionError(f"the document needs {url}")

    (found,) = jsonld.expand(answer.json(), {"documentLoader": offline})
    return found  # type: ignore[no-any-return]


def test_a_statement_says_where_it_comes_from_and_names_no_person(
    museum: Museum, public: ServedDesk
) -> None:
    answer = get(public, f"/statements/{name_of(museum, MAPS[0])}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == PUBLIC_CACHE
    assert "set-cookie" not in answer.headers
    for part in (
        "An object shows: map",
        "https://museum.example/a.jpg",
        "http://data.europeana.eu/annotation/000000",
        "1 reviewer called it right",
        "Certificate of audit 1",
        "audited v1",
        "Apache-2.0",
        "1,234 pictures",
        "Toy Museum 1,200",
        "At least 90% of the pictures",
    ):
        assert part in answer.text, part
    assert [each for each in NAMES if each in answer.text] == []


def test_a_withdrawn_statement_keeps_its_page_and_says_so(
    museum: Museum, public: ServedDesk
) -> None:
    scope = WithdrawalScope(data_provider="City Museum")
    withdraw(museum.engine, scope, reason=f"{OPERATOR} says so", user_id=1)
    path = f"/statements/{name_of(museum, MAPS[1])}"
    assert "Being withdrawn" in get(public, path).text
    museum.execute("UPDATE publication SET state = 'withdrawn'")
    answer = get(public, path)
    assert "It is no longer at Europeana" in answer.text
    assert "an operator withdrew the statement, and there is no new verdict" in answer.text
    assert OPERATOR not in answer.text
    assert f"{PROV}invalidatedAtTime" in expanded(get(public, f"{path}.jsonld"))


def test_linked_data_says_the_same_in_terms_of_prov(museum: Museum, public: ServedDesk) -> None:
    name = name_of(museum, MAPS[0])
    by_ending = get(public, f"/statements/{name}.jsonld")
    by_header = get(public, f"/statements/{name}", accept="application/ld+json")
    assert by_ending.json() == by_header.json()
    assert [each for each in NAMES if each in by_ending.text] == []
    found = expanded(by_ending)
    assert found["@id"] == f"https://statements.example/statements/{name}"
    oa = "http://www.w3.org/ns/oa#"
    assert found[f"{oa}hasTarget"][0]["@id"] == f"http://data.europeana.eu/item{MAPS[0]}"  # type: ignore[index]
    (prediction,) = found[f"{PROV}wasGeneratedBy"]  # type: ignore[misc]
    assert prediction[f"{PROV}used"][0]["@id"] == "https://museum.example/a.jpg"
    (model,) = prediction[f"{PROV}wasAssociatedWith"]
    assert model["@id"] == "https://statements.example/models/audited@1"
    (training,) = model[f"{PROV}wasGeneratedBy"]
    extent = "http://purl.org/dc/terms/extent"
    assert [each[extent][0]["@value"] for each in training[f"{PROV}used"]] == [1200, 34]
    kinds = [each["@type"] for each in found[f"{PROV}wasInfluencedBy"]]  # type: ignore[attr-defined]
    assert kinds == [[f"{PROV}Entity"], [f"{PROV}Activity"]]


def test_a_model_has_a_page_and_linked_data(public: ServedDesk) -> None:
    page = get(public, "/models/audited@1")
    assert "Other Museum 34" in page.text
    found = expanded(get(public, "/models/audited@1.jsonld"))
    assert found["@type"] == [f"{PROV}Entity", f"{PROV}SoftwareAgent"]
    assert [each for each in NAMES if each in page.text] == []


def test_no_other_page_is_public(museum: Museum, public: ServedDesk) -> None:
    museum.execute("UPDATE publication SET state = 'planned', annotation = NULL")
    unknown = "00000000-0000-4000-8000-000000000000"
    for path in (
        *("/", "/see", "/login", "/publish", "/models", "/jobs", "/audits/1/certificate"),
        *(f"/records{MAPS[0]}", f"/thumbnails{MAPS[0]}", "/actions", "/download"),
        *(f"/statements/{unknown}", "/statements/x", "/statements", "/models/none@1", "/models/ä"),
        f"/statements/{name_of(museum, MAPS[0])}",
    ):
        answer = get(public, path)
        assert answer.status_code == 404, path
        assert "set-cookie" not in answer.headers
    assert Caller(public).post("/login", {"name": "x"}).status_code == 404
    assert get(public, "/healthz").text == "ok\n"


def test_the_desk_has_the_same_pages_for_its_accounts(museum: Museum, desk: ServedDesk) -> None:
    make_plan(museum.engine)
    path = f"/statements/{name_of(museum, MAPS[0])}"
    viewer = Caller(desk, VIEWER)
    page = viewer.get(path)
    assert "Not published: planned" in page.text
    assert page.headers["cache-control"] == "no-store"
    linked = expanded(viewer.get(f"{path}.jsonld"))
    assert linked["@id"] == f"{desk.url}{path}"
    assert viewer.get("/models/audited@1.jsonld").status_code == 200
    assert Caller(desk).get(path).status_code == 303
