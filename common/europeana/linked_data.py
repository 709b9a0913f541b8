"""Enrichments as W3C Web Annotations, in the form that Europeana's Annotation API accepts.

Motivation `tagging`, the concept as body, the record as target, or an image of the record. The
API keeps `canonical`, overwrites `creator` and `generator` with the caller's identity, and knows
no confidence: `score` is for those who read the file. It refuses a second annotation of a record
with the same concept, and it refuses a whole batch for one item that it does not like.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851 (Annotation API)
https://www.w3.org/TR/annotation-model/
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from common.europeana.iri import iri
from common.europeana.record_ids import item_uri

CONTEXT = "http://www.w3.org/ns/anno.jsonld"
GENERATOR = {
    "type": "Software",
    "name": "Europeana image enrichment",
    "homepage": "https://github.com/europeana",
}


def concept_annotation(
    *,
    record_id: str,
    concept_uri: str,
    confidence: float,
    model: str,
    image_url: str | None,
    created: datetime,
) -> dict[str, Any]:
    """One enrichment as an annotation without context.

    `canonical` depends on record, concept and model alone: the same finding has the same name in
    every export, whatever its target.

    Args:
        model: name and version of the model, which is the annotation's creator.
        image_url: an image of the record to target; None targets the record as a whole.
        created: when the enrichment was written, an aware time.
    """
    item = item_uri(record_id)
    identity = uuid5(NAMESPACE_URL, f"{item} {concept_uri} {model}")
    return {
        "type": "Annotation",
        "canonical": f"urn:uuid:{identity}",
        "motivation": "tagging",
        "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creator": {"type": "Software", "name": model},
        "generator": GENERATOR,
        "body": iri(concept_uri),
        "target": item if image_url is None else {"scope": item, "source": iri(image_url)},
        "score": {"confidence": round(confidence, 4)},
    }


def annotation_page(annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Annotations as one batch: what the API takes in one request."""
    return {"@context": CONTEXT, "type": "AnnotationPage", "items": list(annotations)}
