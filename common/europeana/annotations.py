"""Enrichments as W3C Web Annotations, in the form that Europeana's Annotation API accepts.

Motivation `tagging`, the concept as body, the record as target; where the provider's own file was
seen, the target is that image of the record. The API keeps `canonical` and overwrites `generator`
with the caller's identity; it knows no confidence, so `score` is for those who read the file.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851 (Annotation API)
"""

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from common.europeana.record_id import item_uri

CONTEXT = "http://www.w3.org/ns/anno.jsonld"
HOMEPAGE = "https://github.com/europeana"


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

    Args:
        model: name and version of the model, part of the annotation's stable identity.
        image_url: the provider's file that was classified; None targets the record as a whole.
        created: when the enrichment was written, an aware time.
    """
    item = item_uri(record_id)
    identity = uuid5(NAMESPACE_URL, f"{item} {concept_uri} {model}")
    target = item if image_url is None else {"scope": item, "source": image_url}
    return {
        "type": "Annotation",
        "canonical": f"urn:uuid:{identity}",
        "motivation": "tagging",
        "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "generator": {"type": "Software", "name": model, "homepage": HOMEPAGE},
        "body": concept_uri,
        "target": target,
        "score": {"confidence": round(confidence, 4)},
    }
