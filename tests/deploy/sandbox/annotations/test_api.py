"""The life of one annotation: created, refused, read, changed, deleted, enabled, reported."""

from datetime import UTC, datetime, timedelta

from deploy.sandbox.annotations.store import BASE, iso
from tests.deploy.sandbox.annotations.conftest import CONCEPT, Writer, WriterOf, tag

ONE = "/annotation/1"


def test_the_server_says_who_made_an_annotation_and_drops_what_it_does_not_know(
    writer: Writer,
) -> None:
    sent = tag(
        canonical="urn:uuid:dbfb1861-0ecf-41ad-be94-a584e5c4f1df",
        via="https://x.example/runs/7",
        created="2026-12-01T12:00:00+01:00",
        creator={"id": "http://x.example/me", "type": "Person"},
        generator={"id": "http://x.example/model", "type": "Software", "name": "model"},
        score={"confidence": 0.9},
    )
    response = writer.post(sent, "/annotation/?indexOnCreate=true")
    assert response.status_code == 201
    assert response.headers["Content-Type"].startswith("application/ld+json")
    assert response.headers["Link"] == '<http://www.w3.org/ns/ldp#Resource>; rel="type"'
    stored = response.json()
    assert stored["id"] == f"{BASE}1"
    assert stored["creator"]["id"].startswith("http://data.europeana.eu/user/")
    assert stored["creator"]["type"] == "Person"
    assert stored["generator"] == {
        "id": "https://api.europeana.eu/apikey/sandbox",
        "type": "Software",
    }
    assert stored["created"] == "2026-12-01T11:00:00Z"
    for name in ("canonical", "via", "body", "target", "motivation"):
        assert stored[name] == sent[name]
    assert "score" not in stored
    read = writer.get(ONE)
    assert (read.json(), read.headers["ETag"]) == (stored, response.headers["ETag"])


def test_a_new_annotation_has_no_id_of_its_own(writer: Writer) -> None:
    refused = writer.post(tag(id=f"{BASE}7"))
    assert refused.status_code == 400
    assert "identifier" in refused.json()["error"]


def test_the_same_tag_is_refused_with_the_numbers_of_those_that_are_there(
    writer: Writer, as_client: WriterOf
) -> None:
    writer.post(tag())
    in_image = {"scope": tag()["target"], "source": "http://images.example/1.jpg"}
    for again in (tag(), tag(body={"id": tag()["body"]}), tag(target=in_image)):
        refused = as_client("portal").post(again)
        assert refused.status_code == 400
        assert refused.json()["error"] == "Found duplicate annotations with the ids: 1"
    assert writer.post(tag(49)).status_code == 201
    assert writer.post(tag(record="/1/a")).status_code == 201


def test_a_deleted_tag_may_be_made_again(writer: Writer) -> None:
    writer.post(tag())
    assert writer.send("DELETE", ONE).status_code == 204
    assert writer.post(tag()).json()["id"] == f"{BASE}2"
    assert (writer.annotations.created, writer.annotations.deleted) == (2, 1)


def test_what_is_not_indexed_is_not_compared(writer: Writer) -> None:
    writer.post(tag(), "/annotation/?indexOnCreate=false")
    assert writer.post(tag()).status_code == 201


def test_reading_needs_the_key_and_an_annotation_that_stands(writer: Writer) -> None:
    writer.post(tag())
    assert writer.get(ONE, wskey="guessed").status_code == 401
    assert writer.get("/annotation/2").status_code == 404
    writer.send("DELETE", ONE)
    assert writer.get(ONE).status_code == 410
    assert writer.send("DELETE", ONE).status_code == 410


def test_an_enabled_annotation_stands_again_and_is_found(writer: Writer) -> None:
    writer.post(tag())
    writer.send("DELETE", ONE)
    assert writer.search("*:*").json()["partOf"]["total"] == 0
    assert writer.send("POST", ONE).status_code == 200
    assert writer.get(ONE).status_code == 200
    assert writer.search("*:*").json()["partOf"]["total"] == 1


def test_only_the_creator_or_an_admin_changes_an_annotation(
    writer: Writer, as_client: WriterOf
) -> None:
    writer.post(tag())
    other = as_client("portal")
    assert other.send("DELETE", ONE).status_code == 403
    assert other.send("PUT", ONE, tag(49)).status_code == 403
    assert as_client("curator").send("DELETE", ONE).status_code == 204
    assert other.send("POST", ONE).status_code == 403


def test_a_change_needs_the_present_etag_where_one_is_named(writer: Writer) -> None:
    first = writer.post(tag()).headers["ETag"]
    changed = writer.send("PUT", ONE, tag(49), **{"If-Match": first})
    assert (changed.status_code, changed.json()["body"]) == (200, f"{CONCEPT}49")
    assert changed.headers["ETag"] != first
    assert writer.send("DELETE", ONE, **{"If-Match": first}).status_code == 412
    present = writer.get(ONE).headers["ETag"]
    assert writer.send("DELETE", ONE, **{"If-Match": present}).status_code == 204


def test_a_change_is_compared_with_the_others(writer: Writer) -> None:
    for concept in (48, 49):
        writer.post(tag(concept))
    refused = writer.send("PUT", ONE, tag(49))
    assert (refused.status_code, refused.json()["error"][-3:]) == (400, ": 2")
    assert writer.send("PUT", ONE, tag(48, via="http://x.example/8")).status_code == 200


def test_a_report_lowers_the_score_once_for_each_user(writer: Writer) -> None:
    writer.post(tag())
    assert writer.get(f"{ONE}/moderationsummary").json()["score"] == 0
    assert writer.send("POST", f"{ONE}/report").status_code == 201
    assert writer.send("POST", f"{ONE}/report").status_code == 403
    writer.annotations.report(1)
    assert writer.get(f"{ONE}/moderationsummary").json() == {
        "endorseSum": 0,
        "reportSum": 2,
        "score": -2,
    }


def test_deleted_annotations_are_listed_by_time_and_motivation(writer: Writer) -> None:
    for concept in (48, 49, 50):
        writer.post(tag(concept))
    writer.annotations.delete(3)
    writer.send("DELETE", ONE)
    tomorrow = iso(datetime.now(UTC) + timedelta(days=1))

    def deleted(**parameters: str) -> list[str]:
        found: list[str] = writer.get("/annotations/deleted", **parameters).json()
        return found

    assert deleted() == [f"{BASE}1", f"{BASE}3"]
    assert deleted(page="1", limit="1") == [f"{BASE}3"]
    assert deleted(motivation="tagging", to=tomorrow) == [f"{BASE}1", f"{BASE}3"]
    assert deleted(motivation="linking") == []
    assert deleted(to="2026-01-01T00:00:00Z") == []
    assert deleted(**{"from": tomorrow}) == []
    assert writer.get("/annotations/deleted", to="now").status_code == 400
    assert writer.get("/annotations/deleted", motivation="naming").status_code == 400


def test_a_lock_refuses_writes_and_no_reads(writer: Writer) -> None:
    writer.post(tag())
    writer.annotations.lock()
    assert writer.post(tag(49)).status_code == 423
    assert writer.send("DELETE", ONE).status_code == 423
    assert writer.get(ONE).status_code == 200
    writer.annotations.unlock()
    assert writer.post(tag(49)).status_code == 201


def test_another_process_sees_and_steers_it_over_http(writer: Writer) -> None:
    creator = writer.post(tag()).json()["creator"]["id"]
    writer.post(tag(49))
    writer.send("DELETE", "/annotation/2")
    overview = writer.get("/sandbox/annotations").json()
    assert overview["annotations"] == [
        {
            "id": f"{BASE}1",
            "record": "/91001/map_000003",
            "body": f"{CONCEPT}48",
            "creator": creator,
        }
    ]
    assert (overview["created"], overview["deleted"]) == (2, 1)
    assert 1 <= overview["worst_second"] <= 3
    assert writer.send("POST", "/sandbox/annotations/lock?seconds=600").status_code == 204
    assert writer.post(tag(50)).status_code == 423
    assert writer.send("POST", "/sandbox/annotations/lock?seconds=soon").status_code == 400
    assert writer.send("POST", "/sandbox/annotations/lock?seconds=0").status_code == 204
    assert writer.send("POST", "/sandbox/annotations/end-tokens").status_code == 204
    assert writer.post(tag(50)).status_code == 401


def test_a_number_is_given_once(writer: Writer) -> None:
    for number in (1, 2, 3):
        assert writer.post(tag()).json()["id"] == f"{BASE}{number}"
        writer.annotations.delete(number)
