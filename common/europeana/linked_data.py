"""Enrichments as linked data: W3C Web Annotations in JSON-LD, and EDM in RDF/XML.

Annotations have the form that Europeana's Annotation API accepts: motivation `tagging`, the concept
as body, the record or an image of it as target. The API keeps `canonical`, overwrites `creator` and
`generator` with the caller's identity, and knows no confidence: `score` is for those who read the
file. It refuses a second annotation of a record with the same concept, and it refuses a whole batch
for one item that it does not like.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851 (Annotation API)
https://www.w3.org/TR/annotation-model/

In EDM each concept is a `dc:type` of the `edm:ProvidedCHO`. `edm:wasGeneratedBy` and
`edm:confidenceLevel` on that property tell a program's statement from the institution's, and how
sure the program is. Europeana's ingestion moves such statements into a proxy of their own. The two
attributes are part of EDM's XML schema; read strictly as RDF they speak of the concept and not of
the statement. https://github.com/europeana/metis-schema (EDM-COMMON-MAIN.xsd)
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import quoteattr

from common.europeana.record_ids import item_uri

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f<>\"{}|\\^`]")
CONTEXT = "http://www.w3.org/ns/anno.jsonld"
GENERATOR = {
    "type": "Software",
    "name": "Europeana image enrichment",
    "homepage": "https://github.com/europeana",
}
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
EDM = "http://www.europeana.eu/schemas/edm/"
OPENING = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:dc="{DC}" xmlns:edm="{EDM}">\n'
)
CLOSING = "</rdf:RDF>\n"


def iri(url: str) -> str:
    """Percent-encode the characters that an IRI must not hold, and change nothing else."""
    return _FORBIDDEN.sub(_percent_encoded, url)


def _percent_encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


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

    `canonical` depends only on record, concept and model: the same finding has the same name in
    every export.

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
    return {"@context": CONTEXT, "type": "AnnotationPage", "items": list(annotations)}


def provided_cho(record_id: str, concepts: Iterable[tuple[str, float]]) -> str:
    """The XML of one record: concept URIs with confidences, between OPENING and CLOSING."""
    statements = "".join(_statement(uri, confidence) for uri, confidence in concepts)
    about = quoteattr(item_uri(record_id))
    return f"  <edm:ProvidedCHO rdf:about={about}>\n{statements}  </edm:ProvidedCHO>\n"


def _statement(concept_uri: str, confidence: float) -> str:
    return (
        f'    <dc:type edm:wasGeneratedBy="SoftwareAgent" edm:confidenceLevel="{confidence:.4f}"'
        f" rdf:resource={quoteattr(iri(concept_uri))}/>\n"
    )
