"""Annotations against those that Europeana's own tests send, and against a reader of JSON-LD."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from common.europeana.linked_data import CONTEXT, annotation_page, concept_annotation
from tests.common.europeana.linked_data import AS, DCTERMS, FOAF, OA, triples

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "europeana" / "samples" / "annotation"
ITEM = "http://data.europeana.eu/item/90402/RP_P_1984_87"
MAP = "http://data.europeana.eu/concept/43"
PICTURE = "https://museum.example/iiif/7/full.jpg"


def annotation(**changes: Any) -> dict[str, Any]:
    what = {
        "record_id": "/90402/RP_P_1984_87",
        "concept_uri": MAP,
        "confidence": 0.91234,
        "model": "vases v2",
        "image_url": None,
        "created": datetime(2026, 11, 23, 22, 0, 5, tzinfo=UTC),
    }
    return concept_annotation(**what | changes)


def sample(name: str) -> dict[str, Any]:
    if not SAMPLES.is_dir():
        pytest.skip(f"the samples of the Annotation API are not at {SAMPLES}")
    return json.loads((SAMPLES / name).read_text(encoding="utf-8"))


def form(value: Any) -> Any:
    """Keys and kinds of values; of motivation and type the values."""
    if isinstance(value, dict):
        named = {"motivation", "type"}
        return {key: part if key in named else form(part) for key, part in value.items()}
    if isinstance(value, str):
        return value.split(":")[0].replace("https", "http") if ":" in value else "text"
    return type(value).__name__


@pytest.mark.parametrize(
    ("name", "image_url"),
    [
        ("semantictag_simple_minimal.json", None),
        ("semantictag_dereferenced_semantictag_test_entity.json", None),
        ("semantictag_web_resource.json", PICTURE),
    ],
)
def test_a_concept_tag_has_the_form_of_the_samples(name: str, image_url: str | None) -> None:
    expected = form(sample(name))
    expected.pop("@context", None)
    ours = form(annotation(image_url=image_url))
    assert {key: ours[key] for key in expected} == expected


def test_every_member_but_the_score_stands_in_a_valid_sample() -> None:
    """An `id` stands in samples of answers: with one, the API looks for an annotation to change."""
    known = set(sample("tag_full_agent.json"))
    known.update(*(json.loads(path.read_text()) for path in SAMPLES.glob("*.json")))
    assert set(annotation()) - known <= {"score", "id"}


def test_agents_and_canonical_have_the_form_of_the_samples() -> None:
    ours, full = form(annotation()), form(sample("tag_full_agent.json"))
    assert ours["canonical"] == form(sample("tag_canonical.json"))["canonical"] == "urn"
    assert ours["generator"].items() <= full["generator"].items()
    assert ours["creator"].items() <= full["generator"].items()
    for created in (annotation()["created"], sample("tag_full_agent.json")["created"]):
        datetime.strptime(created, "%Y-%m-%dT%H:%M:%S%z")


def test_a_batch_has_the_form_of_the_samples() -> None:
    batch, page = sample("tag_batch_annotation_page.json"), annotation_page([annotation()])
    assert list(page) == list(batch)
    assert (page["@context"][0], page["type"]) == (batch["@context"], batch["type"])


def test_a_reader_of_linked_data_keeps_name_confidence_and_encoder() -> None:
    whole = annotation_page([annotation(encoder="dinov2"), annotation(confidence=1.0, model="b")])
    told = triples(json.loads(json.dumps(whole)))
    sure = {(name, value) for name, predicate, value in told if predicate.endswith("denceLevel")}
    first, second = (each["id"] for each in whole["items"])
    assert sure == {(first, "9.123E-1"), (second, "1.0E0")}
    assert first == whole["items"][0]["canonical"]
    made_by = next(value for name, _, value in told if (name, _) == (first, f"{DCTERMS}creator"))
    assert (made_by, "http://www.w3.org/ns/prov#wasDerivedFrom", "dinov2") in told


def test_a_reader_of_linked_data_finds_concept_record_and_provenance() -> None:
    told = triples(annotation_page([annotation()]))
    said = {(predicate, value) for _, predicate, value in told}
    assert {
        (f"{OA}motivatedBy", f"{OA}tagging"),
        (f"{OA}hasBody", MAP),
        (f"{OA}hasTarget", ITEM),
        (f"{OA}canonical", annotation()["canonical"]),
        (f"{DCTERMS}created", "2026-11-23T22:00:05Z"),
        (f"{FOAF}name", "vases v2"),
    } <= said
    types = {value for _, predicate, value in told if predicate.endswith("#type")}
    assert types == {f"{OA}Annotation", f"{AS}OrderedCollectionPage", f"{AS}Application"}


def test_a_reader_of_linked_data_finds_the_image_in_its_record() -> None:
    told = triples({"@context": CONTEXT} | annotation(image_url="http://m.example/a b|ü.jpg"))
    (target,) = {value for _, predicate, value in told if predicate == f"{OA}hasTarget"}
    assert (target, f"{OA}hasSource", "http://m.example/a%20b%7Cü.jpg") in told
    assert (target, f"{OA}hasScope", ITEM) in told


def test_a_finding_keeps_its_name_and_another_has_another() -> None:
    name = annotation()["canonical"]
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert annotation(confidence=0.5, created=later, image_url=PICTURE)["canonical"] == name
    others = [{"record_id": "/1/b"}, {"concept_uri": MAP + "0"}, {"model": "vases v3"}]
    assert len({name, *(annotation(**other)["canonical"] for other in others)}) == 4


def test_times_are_in_utc_whatever_the_session_says() -> None:
    berlin = timezone(timedelta(hours=1))
    created = datetime(2026, 11, 23, 23, 0, 5, tzinfo=berlin)
    assert annotation(created=created) == annotation()
