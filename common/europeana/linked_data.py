"""Enrichments as linked data: W3C Web Annotations in JSON-LD. For EDM see `common.europeana.edm`.

Annotations have the form that Europeana's Annotation API accepts: motivation `tagging`, the concept
as body, the record or an image of it as target. The context of the W3C has no confidence and no
labels. So a second one stands in each page, written out, and a reader of JSON-LD needs no network
for it: `score` is no thing of its own there (`@nest`), and `confidence` belongs to the annotation.
To a reader of JSON-LD 1.1 what is `@included` is as if it stood by itself.

The API keeps `canonical`, overwrites `creator` and `generator` with the caller's identity, and
leaves out what it does not know, such as `score`. With an `id` it looks for an annotation to
change, so `publisher send` posts none. It refuses a second annotation of a record with the same
concept, and it refuses a whole batch for one item that it does not like.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851 (Annotation API)
https://www.w3.org/TR/annotation-model/
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired, TypedDict
from uuid import NAMESPACE_URL, uuid5

from common.europeana.record_ids import item_uri

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f<>\"{}|\\^`]")
CONTEXT = "http://www.w3.org/ns/anno.jsonld"
SKOS = "http://www.w3.org/2004/02/skos/core#"
_EDM, _XSD = "http://www.europeana.eu/schemas/edm/", "http://www.w3.org/2001/XMLSchema#"
OWN_CONTEXT: dict[str, Any] = {
    "score": "@nest",
    "confidence": {"@id": f"{_EDM}confidenceLevel", "@type": f"{_XSD}double", "@nest": "score"},
    "encoder": "http://www.w3.org/ns/prov#wasDerivedFrom",
    "prefLabel": {"@id": f"{SKOS}prefLabel", "@container": "@language"},
}
"""What the W3C's context lacks."""


class Software(TypedDict):
    type: str
    name: str
    homepage: NotRequired[str]
    encoder: NotRequired[Annotated[str, "name of the encoder"]]


GENERATOR: Software = {
    "type": "Software",
    "name": "Europeana image enrichment",
    "homepage": "https://github.com/europeana",
}


class ConceptAnnotation(TypedDict):
    """An annotation, without context; keys that JSON-LD begins with @ are not in the type."""

    id: Annotated[str, "`urn:uuid:` of the enrichment, the same in every export"]
    type: Annotated[str, "`Annotation`"]
    canonical: Annotated[str, "the same text as `id`, which Europeana's API does not change"]
    motivation: Annotated[str, "`tagging`"]
    created: Annotated[str, "time of the last change to the enrichment, in UTC"]
    creator: Annotated[
        Software,
        "`name` is the model, such as `vases v2`, and `encoder` is the name of its encoder",
    ]
    generator: Annotated[Software, "name and web page of this program"]
    body: Annotated[str, "URI of the concept"]
    target: Annotated[
        str | dict[str, str],
        "URI of the record. With `--target image`: `source` is the picture, `scope` is the record",
    ]
    score: Annotated[
        dict[str, float], "`confidence`: probability that the picture shows the concept, 0 to 1"
    ]


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
    encoder: str | None = None,
) -> dict[str, Any]:
    """One enrichment as an annotation without context.

    Args:
        model: name and version of the model, which is the annotation's creator.
        image_url: an image of the record to target; None targets the record as a whole.
        created: when the enrichment was written, an aware time.
        labels: of the concept, by language.
    """
    item, name = item_uri(record_id), annotation_id(record_id, concept_uri, model)
    creator: Software = {"type": "Software", "name": model}
    if encoder:
        creator["encoder"] = encoder
    made: ConceptAnnotation = {
        "id": name,
        "type": "Annotation",
        "canonical": name,
        "motivation": "tagging",
        "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creator": creator,
        "generator": GENERATOR,
        "body": iri(concept_uri),
        "target": item if image_url is None else {"scope": item, "source": iri(image_url)},
        "score": {"confidence": round(confidence, 4)},
    }
    if not labels:
        return dict(made)
    return made | {"@included": [{"id": iri(concept_uri), "prefLabel": dict(labels)}]}


def annotation_page(annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@context": [CONTEXT, OWN_CONTEXT],
        "type": "AnnotationPage",
        "items": list(annotations),
    }
