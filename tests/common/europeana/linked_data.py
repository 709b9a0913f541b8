"""What a reader of linked data, who knows nothing of us, makes of our annotations."""

from typing import Any

from pyld import jsonld

from common.europeana.linked_data import CONTEXT

OA = "http://www.w3.org/ns/oa#"
AS = "http://www.w3.org/ns/activitystreams#"
DCTERMS = "http://purl.org/dc/terms/"
FOAF = "http://xmlns.com/foaf/0.1/"
XSD = "http://www.w3.org/2001/XMLSchema#"


def _link(iri: str) -> dict[str, str]:
    return {"@id": iri, "@type": "@id"}


# The terms that we use, as the W3C maps them: https://www.w3.org/TR/annotation-vocab/#json-ld-context
ANNOTATION_CONTEXT = {
    "id": "@id",
    "type": "@type",
    "Annotation": f"{OA}Annotation",
    "AnnotationPage": f"{AS}OrderedCollectionPage",
    "Software": f"{AS}Application",
    "tagging": f"{OA}tagging",
    "motivation": {"@id": f"{OA}motivatedBy", "@type": "@vocab"},
    "canonical": _link(f"{OA}canonical"),
    "via": _link(f"{OA}via"),
    "body": _link(f"{OA}hasBody"),
    "target": _link(f"{OA}hasTarget"),
    "source": _link(f"{OA}hasSource"),
    "scope": _link(f"{OA}hasScope"),
    "creator": _link(f"{DCTERMS}creator"),
    "generator": _link(f"{AS}generator"),
    "created": {"@id": f"{DCTERMS}created", "@type": f"{XSD}dateTime"},
    "name": f"{FOAF}name",
    "homepage": _link(f"{FOAF}homepage"),
    "items": {"@id": f"{AS}items", "@type": "@id", "@container": "@list"},
}


def triples(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Subject, predicate and object of all that a JSON-LD document says; reads no network."""
    dataset = jsonld.to_rdf(document, {"documentLoader": offline})
    return [
        (each["subject"]["value"], each["predicate"]["value"], each["object"]["value"])
        for each in dataset["@default"]
    ]


def offline(url: str, _options: object) -> dict[str, Any]:
    if url != CONTEXT:
        raise ValueError(f"{url} is no context of annotations")
    document = {"@context": ANNOTATION_CONTEXT}
    return {"contentType": "application/ld+json", "contextUrl": None} | {
        "documentUrl": url,
        "document": document,
    }
