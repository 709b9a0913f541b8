"""EDM against a reader of RDF, and against the form in which partners deliver enrichments."""

from xml.etree import ElementTree

from rdflib import Graph, URIRef

from common.europeana.linked_data import CLOSING, DC, EDM, OPENING, RDF, provided_cho

MAP, AMPHORA = "http://data.europeana.eu/concept/43", "http://vocab.example/a?b=1&c=<2>"
ITEM = "http://data.europeana.eu/item/90402/RP_P_1984_87"

DOCUMENT = (
    OPENING
    + provided_cho("/90402/RP_P_1984_87", [(MAP, 0.91), (AMPHORA, 1.0)])
    + provided_cho("/1/b", [(MAP, 0.000012)])
    + CLOSING
)


def test_a_reader_of_rdf_finds_the_types_of_each_object() -> None:
    graph = Graph().parse(data=DOCUMENT, format="xml")
    found = {(str(cho), str(kind)) for cho, kind in graph.subject_objects(URIRef(f"{DC}type"))}
    assert found == {
        (ITEM, MAP),
        (ITEM, "http://vocab.example/a?b=1&c=%3C2%3E"),
        ("http://data.europeana.eu/item/1/b", MAP),
    }
    a = URIRef(f"{RDF}type")
    assert {str(kind) for kind in graph.objects(None, a)} == {f"{EDM}ProvidedCHO"}


def test_each_statement_says_that_a_program_made_it_and_how_sure_it_is() -> None:
    statements = ElementTree.fromstring(DOCUMENT).findall(f".//{{{DC}}}type")
    assert {tuple(each.attrib) for each in statements} == {
        (
            f"{{{EDM}}}wasGeneratedBy",
            f"{{{EDM}}}confidenceLevel",
            f"{{{RDF}}}resource",
        )
    }
    made_by, sure = f"{{{EDM}}}wasGeneratedBy", f"{{{EDM}}}confidenceLevel"
    assert {each.attrib[made_by] for each in statements} == {"SoftwareAgent"}
    assert [each.attrib[sure] for each in statements] == ["0.9100", "1.0000", "0.0000"]
