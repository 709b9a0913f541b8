"""Which annotations are accepted: Europeana's own samples where they are at hand, and others."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.sandbox.annotations.batches import numbers_to_replace, read_batch
from deploy.sandbox.annotations.forms import read_form, read_json
from deploy.sandbox.annotations.store import AnnotationStore
from deploy.sandbox.api.refusals import RequestRefusedError
from tests.deploy.sandbox.annotations.conftest import CONCEPT, ITEM, tag
from tests.forking import ROOT

IMAGE = "http://images.example/1.jpg"
URI = f"{CONCEPT}48"
RIGHT = [
    "describing_web_resource", "linkforcontributing_link_for_contributing_target_specific",
    "semantictag_dereferenced_semantictag_test_entity", "semantictag_simple_minimal",
    "semantictag_simple_standard", "semantictag_specific_minimal", "semantictag_specific_standard",
    "semantictag_web_resource", "tag_batch_annotation_page_via", "tag_canonical", "tag_full_agent",
    "tag_standard", "tag_via_string",
]  # fmt: skip
WRONG = [
    "highlighting_debias_branch",  # another version of the server
    "tag_batch_annotation_page",  # its ids are not filled in
    "wrong/semantictag_wrong_specific_minimal_jsonld", "wrong/tag_wrong_agent_wrong_id_not_url",
    "wrong/tag_wrong_batch_annotation_page_nonexisting_ids",
    "wrong/tag_wrong_batch_annotation_page_validation_error", "wrong/tag_wrong_without_body",
]  # fmt: skip


def sample(name: str) -> dict[str, Any]:
    places = (parent / "shared/europeana/samples/annotation" for parent in ROOT.parents)
    folder: Path | None = next(filter(Path.is_dir, places), None)
    if folder is None:
        pytest.skip("The samples of Europeana's server are not beside this repository.")
    return read_json((folder / f"{name}.json").read_bytes())


def check(content: dict[str, Any]) -> None:
    if "items" in content:
        numbers_to_replace(read_batch(content), AnnotationStore())
    else:
        read_form(content)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_sample_is_accepted(name: str) -> None:
    check(sample(name))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_sample_is_refused(name: str) -> None:
    content = sample(name)
    with pytest.raises(RequestRefusedError):
        check(content)


@pytest.mark.parametrize(
    "body",
    [
        URI,
        {"id": URI, "language": "en"},
        {"type": "SpecificResource", "source": URI},
        {"type": "SpecificResource", "source": URI, "id": "http://x.example/1"},
    ],
)
def test_a_semantic_tag_has_four_forms(body: Any) -> None:
    form = read_form(tag(body=body))
    assert (form.body_uri, form.text, form.record) == (URI, None, "/91001/map_000003")


@pytest.mark.parametrize(
    "members",
    [
        {"bodyValue": "Trombone"},
        {"body": "Trombone"},
        {"body": {"type": "TextualBody", "value": "Trombone", "language": "en"}},
    ],
)
def test_a_tag_may_be_a_short_text(members: dict[str, Any]) -> None:
    form = read_form({"motivation": "tagging", "target": f"{ITEM}/1/a"} | members)
    assert (form.body_uri, form.text, form.record) == (None, "Trombone", "/1/a")


def test_an_image_is_tagged_in_its_record() -> None:
    form = read_form(tag(target={"scope": f"{ITEM}/1/a", "source": IMAGE}))
    assert form.record == "/1/a"


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"motivation": "classifying"}, "classifying"),
        ({"motivation": ["tagging"]}, "tagging"),
        ({"motivation": None}, "None"),
        ({"type": "Note"}, "not Annotation"),
        ({"@id": "http://x.example"}, "@id"),
        ({"body": {"@type": "SpecificResource", "source": URI}}, "@type"),
        ({"body": None}, "body"),
        ({"body": [URI]}, "list"),
        ({"body": {"id": "48"}}, "not a URL"),
        ({"body": {"type": "SpecificResource"}}, "needs a source"),
        ({"body": {"type": "SpecificResource", "source": "48"}}, "not a URL"),
        ({"body": {"id": URI, "prefLabel": {"en": "Map"}}}, "prefLabel"),
        ({"body": "x" * 65}, "65"),
        ({"body": {"value": URI}}, "no URL"),
        ({"target": None}, "target"),
        ({"canonical": "ours-17"}, "canonical"),
        ({"via": "page 17"}, "via"),
        ({"via": ["http://x.example", "page 17"]}, "via"),
        ({"created": "yesterday"}, "created"),
        ({"generated": "2026-12-01T00:00:00"}, "generated"),
        ({"creator": "somebody"}, "creator"),
        ({"generator": {"id": "http://["}}, "generator"),
        ({"motivation": "describing"}, "scope"),
        ({"motivation": "describing", "target": {"scope": ITEM, "source": "x"}}, "source"),
    ],
)
def test_a_wrong_annotation_is_refused_with_the_reason(
    members: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RequestRefusedError, match=complaint) as refused:
        read_form(
            tag() | members if members.get("motivation") != "describing" else describing(members)
        )
    assert refused.value.status == 400


def describing(members: dict[str, Any]) -> dict[str, Any]:
    target = {"source": IMAGE}
    return {"body": {"value": "A ship"}, "target": target} | members


@pytest.mark.parametrize("content", [b"{", b"[]", json.dumps("tag").encode(), b"\xff"])
def test_what_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(RequestRefusedError, match="Cannot parse"):
        read_json(content)
