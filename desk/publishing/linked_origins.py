"""Where a statement or a model comes from as JSON-LD, in the terms of PROV.

https://www.w3.org/TR/prov-o/ A statement is an entity that the model's prediction generated from
the picture of the record. People are agents without a name, with their role.
The context is in the document, so that a reader needs no network.
"""

from datetime import UTC, datetime
from typing import Any

from common.europeana.edm import EDM
from common.europeana.linked_data import SKOS, iri
from common.europeana.record_ids import item_uri
from desk.publishing.origins import ModelOrigin, StatementOrigin

_XSD = "http://www.w3.org/2001/XMLSchema#"
_DCTERMS = "http://purl.org/dc/terms/"
CONTEXT_OF_ORIGINS: dict[str, Any] = {
    "prov": "http://www.w3.org/ns/prov#",
    "oa": "http://www.w3.org/ns/oa#",
    "dcterms": _DCTERMS,
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": SKOS,
    "edm": EDM,
    "xsd": _XSD,
    "id": "@id",
    "type": "@type",
    "label": "rdfs:label",
    "prefLabel": "skos:prefLabel",
    "title": "dcterms:title",
    "description": "dcterms:description",
    "identifier": "dcterms:identifier",
    "license": "dcterms:license",
    "extent": {"@id": "dcterms:extent", "@type": "xsd:integer"},
    "confidenceLevel": {"@id": "edm:confidenceLevel", "@type": "xsd:decimal"},
    "dataProvider": "edm:dataProvider",
    "generatedAtTime": {"@id": "prov:generatedAtTime", "@type": "xsd:dateTime"},
    "invalidatedAtTime": {"@id": "prov:invalidatedAtTime", "@type": "xsd:dateTime"},
    "endedAtTime": {"@id": "prov:endedAtTime", "@type": "xsd:dateTime"},
    "hasBody": {"@id": "oa:hasBody", "@type": "@id"},
    "hasTarget": {"@id": "oa:hasTarget", "@type": "@id"},
    "rights": {"@id": "edm:rights", "@type": "@id"},
    "alternateOf": {"@id": "prov:alternateOf", "@type": "@id"},
}


def statement_as_linked(origin: StatementOrigin, *, pages: str) -> dict[str, Any]:
    """A statement; `pages` is the address that the pages of statements and models begin with."""
    return {"@context": CONTEXT_OF_ORIGINS} | _without_nones(
        {
            "id": f"{pages}/statements/{origin.name}",
            "type": "prov:Entity",
            "identifier": f"urn:uuid:{origin.name}",
            "alternateOf": origin.annotation,
            "hasBody": {
                "id": iri(origin.concept_uri),
                "type": "skos:Concept",
                "prefLabel": origin.label,
            },
            "hasTarget": _without_nones(
                {
                    "id": item_uri(origin.record_id),
                    "title": origin.title,
                    "dataProvider": origin.data_provider,
                    "rights": iri(origin.rights) if origin.rights else None,
                }
            ),
            "confidenceLevel": _decimal(origin.confidence),
            "generatedAtTime": _moment(origin.posted_at),
            "invalidatedAtTime": _moment(origin.withdrawn_at),
            "description": f"{origin.state_words}: {origin.reason_words}".removesuffix(": "),
            "prov:wasGeneratedBy": _prediction(origin, pages),
            "prov:wasInfluencedBy": [*map(_certificate, origin.certificates), *_judgements(origin)],
        }
    )


def model_as_linked(model: ModelOrigin, *, pages: str) -> dict[str, Any]:
    return {"@context": CONTEXT_OF_ORIGINS} | _model(model, pages)


def _prediction(origin: StatementOrigin, pages: str) -> dict[str, Any] | None:
    if origin.model is None:
        return None
    picture = origin.image_url and {"id": iri(origin.image_url), "type": "prov:Entity"}
    return _without_nones(
        {
            "type": "prov:Activity",
            "label": "prediction",
            "endedAtTime": _moment(origin.seen_at),
            "prov:used": picture,
            "prov:wasAssociatedWith": _model(origin.model, pages),
        }
    )


def _model(model: ModelOrigin, pages: str) -> dict[str, Any]:
    encoder = model.encoder and _without_nones(
        {
            "type": "prov:Entity",
            "title": model.encoder,
            "description": model.network,
            "license": model.licence or None,
        }
    )
    taught = model.taught_from and {"id": f"{pages}/models/{model.taught_from}"}
    return _without_nones(
        {
            "id": f"{pages}/models/{model.reference}",
            "type": ["prov:Entity", "prov:SoftwareAgent"],
            "title": model.reference.title,
            "identifier": f"sha256:{model.sha256}",
            "generatedAtTime": _moment(model.created_at),
            "invalidatedAtTime": _moment(model.retired_at),
            "description": [*model.promise, *model.certificates],
            "prov:wasDerivedFrom": [each for each in (encoder, taught) if each],
            "prov:wasGeneratedBy": {
                "type": "prov:Activity",
                "label": "training",
                "prov:used": [*_training_data(model)],
            },
        }
    )


def _training_data(model: ModelOrigin) -> list[dict[str, Any]]:
    found = [
        {
            "type": "prov:Collection",
            "title": "training pictures",
            "dataProvider": provider,
            "extent": pictures,
        }
        for provider, pictures in model.providers.items()
    ]
    if model.verdicts:
        verdicts = {"title": "verdicts of reviewers", "extent": model.verdicts}
        found.append({"type": "prov:Collection", "dataProvider": model.taught_by} | verdicts)
    return found


def _certificate(sentence: str) -> dict[str, Any]:
    return {"type": "prov:Entity", "title": "certificate", "description": sentence}


def _judgements(origin: StatementOrigin) -> list[dict[str, Any]]:
    return [
        {
            "type": "prov:Activity",
            "label": "judgement",
            "description": str(each),
            "endedAtTime": _moment(each.last),
            "prov:qualifiedAssociation": {
                "type": "prov:Association",
                "prov:agent": {"type": "prov:Agent"},
                "prov:hadRole": {"type": "prov:Role", "label": each.role},
            },
        }
        for each in origin.decisions
    ]


def _moment(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decimal(share: float | None) -> str | None:
    return None if share is None else f"{share:.4f}"


def _without_nones(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != []}
