"""Enrichments as EDM in RDF/XML, in the form in which partners add them to their records.

Each concept is a `dc:type` of the `edm:ProvidedCHO`; `edm:wasGeneratedBy` and `edm:confidenceLevel`
on that property tell a program's statement from the institution's, and how sure the program is.
Europeana's ingestion moves statements so marked into a proxy of their own. The two attributes are
part of EDM's XML schema; read strictly as RDF they speak of the concept and not of the statement.
https://github.com/europeana/metis-schema (EDM-COMMON-MAIN.xsd)
"""

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from common.europeana.iri import iri
from common.europeana.record_ids import item_uri

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
EDM = "http://www.europeana.eu/schemas/edm/"

OPENING = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:dc="{DC}" xmlns:edm="{EDM}">\n'
)
CLOSING = "</rdf:RDF>\n"


def provided_cho(record_id: str, concepts: Iterable[tuple[str, float]]) -> str:
    """A record with concept URIs and their confidences, to stand between OPENING and CLOSING."""
    statements = "".join(_statement(uri, confidence) for uri, confidence in concepts)
    about = quoteattr(item_uri(record_id))
    return f"  <edm:ProvidedCHO rdf:about={about}>\n{statements}  </edm:ProvidedCHO>\n"


def _statement(concept_uri: str, confidence: float) -> str:
    return (
        f'    <dc:type edm:wasGeneratedBy="SoftwareAgent" edm:confidenceLevel="{confidence:.4f}"'
        f" rdf:resource={quoteattr(iri(concept_uri))}/>\n"
    )
