"""Batches: all or none, no comparison, no index."""

from typing import Any

from deploy.sandbox.annotations.store import BASE
from tests.deploy.sandbox.annotations.conftest import CONCEPT, Writer, tag

ME = {"id": "http://x.example/me", "type": "Person"}


def page(*items: Any) -> dict[str, Any]:
    return {"type": "AnnotationPage", "items": list(items)}


def test_a_batch_is_stored_without_comparison_and_not_found(writer: Writer) -> None:
    response = writer.post(page(tag(48, creator=ME), tag(48)), "/annotations/")
    assert response.status_code == 201
    first, second = response.json()["items"]
    assert (first["id"], second["id"]) == (f"{BASE}1", f"{BASE}2")
    assert first["creator"] == ME
    assert second["creator"]["id"].startswith("http://data.europeana.eu/user/")
    assert writer.get("/annotation/1").status_code == 200
    assert writer.search("*:*").json()["partOf"]["total"] == 0
    assert writer.post(tag(48)).status_code == 201


def test_one_invalid_item_refuses_the_page(writer: Writer) -> None:
    wrong = [tag(48, body=None), tag(49, target=None)]
    refused = writer.post(page(tag(), *wrong), "/annotations/")
    assert refused.status_code == 400
    report = refused.json()["operationReport"]
    assert (report["successCount"], report["failureCount"]) == (1, 2)
    assert (report["step"], report["totalNumberOfAnnotations"]) == ("VALIDATION", 3)
    assert list(report["errors"]) == ["0"]
    assert "target" in report["errors"]["0"]
    assert writer.annotations.standing() == []


def test_items_with_an_id_replace_annotations_that_must_exist(writer: Writer) -> None:
    writer.post(tag(48))
    refused = writer.post(page(tag(50), tag(49, id=f"{BASE}9")), "/annotations/")
    assert refused.status_code == 404
    assert list(refused.json()["operationReport"]["errors"]) == [f"{BASE}9"]
    replaced = writer.post(page(tag(50), tag(49, id=f"{BASE}1")), "/annotations/")
    assert [item["id"] for item in replaced.json()["items"]] == [f"{BASE}2", f"{BASE}1"]
    assert [one.body for one in writer.annotations.standing()] == [f"{CONCEPT}49", f"{CONCEPT}50"]


def test_a_batch_is_a_page(writer: Writer) -> None:
    assert writer.post(tag(), "/annotations/").status_code == 400


def test_a_change_brings_an_item_of_a_batch_into_the_index(writer: Writer) -> None:
    writer.post(page(tag(48)), "/annotations/")
    writer.send("PUT", "/annotation/1", tag(48))
    assert writer.search("*:*").json()["partOf"]["total"] == 1
