"""Enrichments as linked data: W3C Web Annotations in JSON-LD. For EDM see `common.europeana.edm`.

Annotations have the form that Europeana's Annotation API accepts: motivation `tagging`, the concept
as body, the record or an image of it as target. The API keeps `canonical`, overwrites `creator` and
`generator` with the caller's identity, and knows no confidence: `score` is for those who read the
file. It refuses a second annotation of a record with the same concept, and it refuses a whole batch
for one item that it does not like.
Labels stand beside the body. The API refuses a `prefLabel` in the body of a concept, and so the
whole page; a member of the annotation that it does not know it leaves out, as it does `score`. To a
reader of JSON-LD 1.1 what is `@included` is as if it stood by itself.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851 (Annotation API)
https://www.w3.org/TR/annotation-model/
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from common.europeana.record_ids import item_uri

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f<>\"{}|\\^`]")
CONTEXT = "http://www.w3.org/ns/anno.jsonld"
GENERATOR = {
    "type": "Software",
    "name": "Europeana image enrichment",
    "homepage": "https://github.com/europeana",
}
SKOS = "http://www.w3.org/2004/02/skos/core#"
_LABELLED = {"prefLabel": {"@id": f"{SKOS}prefLabel", "@container": "@language"}}


def iri(url: str) -> str:
    """Percent-encode the characters that an IRI must not hold, and change nothing else."""
    return _FORBIDDEN.sub(_percent_encoded, url)


def _percent_encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def annotation_id(record_id: str, concept_uri: str, model: str) -> str:
    """The same finding of a model has the same name in every export."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{item_uri(record_id)} {concept_uri} {model}')}"


def concept_annotation(
    *,
    record_id: str,
    concept_uri: str,
    confidence: float,
    model: str,
    image_url: str | None,
    created: datetime,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One enrichment as an annotation without context.

    `canonical` depends only on record, concept and model: the same finding has the same name in
    every export.

    Args:
        model: name and version of the model, which is the annotation's creator.
        image_url: an image of the record to target; None targets the record as a whole.
        created: when the enrichment was written, an aware time.
        labels: of the concept, by language.
    """
    item = item_uri(record_id)
    made: dict[str, Any] = {
        "type": "Annotation",
        "canonical": annotation_id(record_id, concept_uri, model),
        "motivation": "tagging",
        "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creator": {"type": "Software", "name": model},
        "generator": GENERATOR,
        "body": iri(concept_uri),
        "target": item if image_url is None else {"scope": item, "source": iri(image_url)},
        "score": {"confidence": round(confidence, 4)},
    }
    if labels:
        named = {"@context": _LABELLED, "id": iri(concept_uri), "prefLabel": dict(labels)}
        made["@included"] = [named]
    return made


def annotation_page(annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"@context": CONTEXT, "type": "AnnotationPage", "items": list(annotations)}
