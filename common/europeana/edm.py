"""Enrichments in EDM, as RDF/XML: the one place that knows in which form Europeana takes them.

Each concept is a `dc:type` of the `edm:ProvidedCHO`. Two attributes tell the statement from the
institution's own: `edm:wasGeneratedBy` is `Person` if reviewers confirmed it, else `SoftwareAgent`;
`edm:confidenceLevel`, from 0 to 1, says how sure the program is. A person's statement has no level.
Europeana's ingestion moves these statements into a proxy of their own. The two attributes are part
of EDM's XML schema; read strictly as RDF they speak of the concept and not of the statement.
Europeana has announced to replace them.

EDM has no place for the model and the date of a statement. They stand in a processing instruction
before it, which is no part of the RDF and which schemas allow everywhere. https://github.com/europeana/metis-schema
(EDM-COMMON-MAIN.xsd), https://github.com/europeana/metis-edm-ext-schema
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, NotRequired, TypedDict
from xml.sax.saxutils import escape, quoteattr

from common.europeana.linked_data import SKOS, iri
from common.europeana.record_ids import item_uri
from common.process.foreign_text import UNFIT

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
EDM = "http://www.europeana.eu/schemas/edm/"
ORIGIN = "enrichment"  # the name of the processing instruction
OPENING = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:dc="{DC}" xmlns:edm="{EDM}">\n'
)
CLOSING = "</rdf:RDF>\n"
OPENING_TO_REMOVE = (
    f"{OPENING}  <!-- Remove each dc:type below from its record, if edm:wasGeneratedBy marks it"
    " there. -->\n"
)


EdmStatement = TypedDict(
    "EdmStatement",
    {
        "edm:wasGeneratedBy": NotRequired[
            Annotated[str, "`Person` if reviewers confirmed the concept, otherwise `SoftwareAgent`"]
        ],
        "edm:confidenceLevel": NotRequired[
            Annotated[str, "the confidence, 0 to 1 with four digits; empty for a `Person`"]
        ],
        "rdf:resource": Annotated[str, "URI of the concept"],
    },
)
"""The attributes of a `dc:type`."""


def by_software(concept_uri: str, confidence: float) -> str:
    """The statement of a program."""
    return _statement(
        {
            "edm:wasGeneratedBy": "SoftwareAgent",
            "edm:confidenceLevel": f"{confidence:.4f}",
            "rdf:resource": iri(concept_uri),
        }
    )


def by_person(concept_uri: str) -> str:
    """The statement of a program that reviewers confirmed."""
    return _statement({"edm:wasGeneratedBy": "Person", "rdf:resource": iri(concept_uri)})


@lru_cache(maxsize=4096)  # statements of a transaction share their time
def origin(model: str, written: datetime) -> str:
    """Which model made the next statement, and when it was written; an aware time."""
    date = written.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f'    <?{ORIGIN} model={quoteattr(UNFIT.sub("", model))} date="{date}"?>\n'


def to_remove(concept_uri: str) -> str:
    """The name of a program's or a person's statement, for a document of OPENING_TO_REMOVE."""
    return _statement({"rdf:resource": iri(concept_uri)})


def _statement(attributes: EdmStatement) -> str:
    written = "".join(f" {name}={quoteattr(str(value))}" for name, value in attributes.items())
    return f"    <dc:type{written}/>\n"


def provided_cho(record_id: str, statements: Iterable[str]) -> str:
    """The XML of one record with its statements, between OPENING and CLOSING."""
    about = quoteattr(item_uri(record_id))
    return f"  <edm:ProvidedCHO rdf:about={about}>\n{''.join(statements)}  </edm:ProvidedCHO>\n"


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
