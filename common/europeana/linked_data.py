"""Enrichments as linked data: W3C Web Annotations in JSON-LD, and EDM in RDF/XML.

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

In EDM each concept is a `dc:type` of the `edm:ProvidedCHO`. `edm:wasGeneratedBy` and
`edm:confidenceLevel` on that property tell a program's statement from the institution's, and how
sure the program is. Europeana's ingestion moves such statements into a proxy of their own. The two
attributes are part of EDM's XML schema; read strictly as RDF they speak of the concept and not of
the statement. https://github.com/europeana/metis-schema (EDM-COMMON-MAIN.xsd)
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape, quoteattr

from common.europeana.record_ids import item_uri
from common.process.foreign_text import UNFIT

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
SKOS = "http://www.w3.org/2004/02/skos/core#"
_LABELLED = {"prefLabel": {"@id": f"{SKOS}prefLabel", "@container": "@language"}}
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
    identity = uuid5(NAMESPACE_URL, f"{item} {concept_uri} {model}")
    made: dict[str, Any] = {
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
    if labels:
        named = {"@context": _LABELLED, "id": iri(concept_uri), "prefLabel": dict(labels)}
        made["@included"] = [named]
    return made


def annotation_page(annotations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"@context": CONTEXT, "type": "AnnotationPage", "items": list(annotations)}


def provided_cho(record_id: str, concepts: Iterable[tuple[str, float]]) -> str:
    """The XML of one record: concept URIs with confidences, between OPENING and CLOSING."""
    statements = "".join(_statement(uri, confidence) for uri, confidence in concepts)
    about = quoteattr(item_uri(record_id))
    return f"  <edm:ProvidedCHO rdf:about={about}>\n{statements}  </edm:ProvidedCHO>\n"


def skos_concept(concept_uri: str, labels: Mapping[str, str]) -> str:
    """The XML of a concept with its labels by language; empty if there are none."""
    if not labels:
        return ""
    named = "".join(
        f"    <skos:prefLabel xml:lang={quoteattr(language)}>{_xml(label)}</skos:prefLabel>\n"
        for language, label in labels.items()
    )
    about = f'xmlns:skos="{SKOS}" rdf:about={quoteattr(iri(concept_uri))}'
    return f"  <skos:Concept {about}>\n{named}  </skos:Concept>\n"


def _xml(text: str) -> str:
    """The text without characters that XML forbids even if they are escaped."""
    return escape(UNFIT.sub("", text))


def _statement(concept_uri: str, confidence: float) -> str:
    return (
        f'    <dc:type edm:wasGeneratedBy="SoftwareAgent" edm:confidenceLevel="{confidence:.4f}"'
        f" rdf:resource={quoteattr(iri(concept_uri))}/>\n"
    )
