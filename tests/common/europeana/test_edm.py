"""EDM against a reader of RDF, the rules of its two attributes, and Europeana's own schemas."""

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from lxml import etree
from rdflib import Graph, URIRef

from common.europeana.edm import (
    CLOSING,
    DC,
    EDM,
    OPENING,
    OPENING_TO_REMOVE,
    RDF,
    by_person,
    by_software,
    origin,
    provided_cho,
    skos_concept,
    to_remove,
)

MAP, AMPHORA = "http://data.europeana.eu/concept/43", "http://vocab.example/a?b=1&c=<2>"
ITEM = "http://data.europeana.eu/item/90402/RP_P_1984_87"
SCHEMAS = Path(__file__).resolve().parents[4] / "shared" / "europeana" / "schemas"
MADE_BY, SURE = f"{{{EDM}}}wasGeneratedBy", f"{{{EDM}}}confidenceLevel"

WRITTEN = datetime(2026, 11, 23, 23, 0, 5, tzinfo=timezone(timedelta(hours=1)))
MADE = origin('"a" ?> & v1', WRITTEN)
DOCUMENT = (
    OPENING
    + provided_cho(
        "/90402/RP_P_1984_87", [MADE + by_software(MAP, 0.91), by_software(AMPHORA, 1.0)]
    )
    + provided_cho("/1/b", [by_software(MAP, 0.000012), by_person(AMPHORA)])
    + skos_concept(MAP, {"en": "map", "pt-BR": "mapa <1>"})
    + CLOSING
)
TO_REMOVE = OPENING_TO_REMOVE + provided_cho("/1/b", [to_remove(MAP)]) + CLOSING

# What a provider delivers beside the types: a title, the kind of object, and an aggregation.
TITLE = f'<dc:title xmlns:dc="{DC}">A map</dc:title>'
KIND = f'<edm:type xmlns:edm="{EDM}">IMAGE</edm:type>'
AGGREGATION = f"""
    <ore:Aggregation xmlns:ore="http://www.openarchives.org/ore/terms/" xmlns:edm="{EDM}"
                     xmlns:rdf="{RDF}" rdf:about="http://museum.example/1">
      <edm:aggregatedCHO rdf:resource="{ITEM}"/>
      <edm:dataProvider>Museum</edm:dataProvider>
      <edm:isShownAt rdf:resource="http://museum.example/1.html"/>
      <edm:provider>Aggregator</edm:provider>
      <edm:rights rdf:resource="http://creativecommons.org/publicdomain/mark/1.0/"/>
    </ore:Aggregation>
"""


def parsed(document: str) -> etree._Element:
    return etree.fromstring(document.encode())


def types(document: str) -> list[dict[str, str]]:
    return [dict(each.attrib) for each in parsed(document).iter(f"{{{DC}}}type")]


def completed(document: str) -> etree._Element:
    """The document as records that a provider could deliver."""
    root = parsed(document)
    for cho in root.iter(f"{{{EDM}}}ProvidedCHO"):
        cho.insert(0, etree.fromstring(TITLE))
        cho.append(etree.fromstring(KIND))
    root.append(etree.fromstring(AGGREGATION))
    return root


def test_a_reader_of_rdf_finds_the_types_of_each_object() -> None:
    graph = Graph().parse(data=DOCUMENT, format="xml")
    found = {(str(cho), str(kind)) for cho, kind in graph.subject_objects(URIRef(f"{DC}type"))}
    amphora = "http://vocab.example/a?b=1&c=%3C2%3E"
    other = "http://data.europeana.eu/item/1/b"
    assert found == {(ITEM, MAP), (ITEM, amphora), (other, MAP), (other, amphora)}
    assert (None, URIRef(f"{RDF}type"), URIRef(f"{EDM}ProvidedCHO")) in graph


@pytest.mark.parametrize("confidence", [0.0, 0.000012, 0.91, 0.99996, 1.0])
def test_a_program_says_that_it_made_a_statement_and_how_sure_it_is(confidence: float) -> None:
    """Europeana's rules: two words, and a decimal from 0 to 1, which has no exponent."""
    (found,) = types(OPENING + provided_cho("/1/b", [by_software(MAP, confidence)]) + CLOSING)
    assert found.keys() == {MADE_BY, SURE, f"{{{RDF}}}resource"}
    assert found[MADE_BY] == "SoftwareAgent"
    assert re.fullmatch(r"(0\.\d{4}|1\.0000)", found[SURE])
    assert float(found[SURE]) == pytest.approx(confidence, abs=0.00005)


def test_model_and_date_stand_before_a_statement() -> None:
    (made,) = parsed(DOCUMENT).xpath("//processing-instruction()")
    assert made.target == "enrichment"
    assert made.attrib == {"model": '"a" ?&gt; &amp; v1', "date": "2026-11-23T22:00:05Z"}
    assert made.getnext().tag == f"{{{DC}}}type"


def test_a_person_is_named_without_a_level() -> None:
    assert types(DOCUMENT)[-1].get(MADE_BY) == "Person"
    assert SURE not in types(DOCUMENT)[-1]


def test_a_statement_to_remove_names_record_and_concept_alone() -> None:
    (named,) = types(TO_REMOVE)
    assert named == {f"{{{RDF}}}resource": MAP}
    assert parsed(TO_REMOVE)[1].attrib == {f"{{{RDF}}}about": "http://data.europeana.eu/item/1/b"}


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="needs ../shared/europeana/schemas")
def test_europeana_accepts_the_statements_in_a_complete_record() -> None:
    schema = etree.XMLSchema(file=str(SCHEMAS / "EDM.xsd"))
    for document in (DOCUMENT, TO_REMOVE):
        schema.assertValid(completed(document))
    for right, wrong in {"SoftwareAgent": "Program", '"0.9100"': '"1.01"'}.items():
        assert not schema.validate(completed(DOCUMENT.replace(right, wrong)))
