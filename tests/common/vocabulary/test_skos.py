"""SKOS as people write it, and what is wrong with it."""

import json
from pathlib import Path

import pytest

from common.errors import VocabularyError
from common.vocabulary.reading import name_of, read_vocabulary

PREFIXES = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xl: <http://www.w3.org/2008/05/skos-xl#> .
@prefix gvp: <http://vocab.getty.edu/ontology#> .
@prefix ex: <http://example.org/> .
"""
MUSEUM = (
    PREFIXES
    + """
ex:jewellery a skos:Concept ; skos:inScheme ex:museum ;
    skos:prefLabel "jewellery"@en, "κοσμήματα"@el, "бижута"@bg ; skos:altLabel "jewels"@en ;
    skos:definition "Ornaments worn on the body."@en ; skos:notation "J1" ;
    skos:exactMatch <https://data.europeana.eu/concept/base/41> .
ex:ring a skos:Concept ; skos:prefLabel "ring"@en-GB ; skos:broader ex:jewellery, ex:elsewhere .
ex:wedding_ring a skos:Concept ; skos:prefLabel "wedding ring" .
ex:ring skos:narrower ex:wedding_ring .
"""
)
AAT = (
    PREFIXES
    + """
@prefix aat: <http://vocab.getty.edu/aat/> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
aat:300209286 a gvp:Concept ;
    xl:prefLabel [ xl:literalForm "jewelry"@en ] , [ gvp:term "sieraden"@nl ] ;
    skos:scopeNote [ rdf:value "Worn for adornment."@en ] .
aat:300046012 a gvp:Concept, skos:Concept ;
    skos:prefLabel "rings (jewelry)"@en ; gvp:broaderPreferred aat:300209286 .
"""
)
TWO_GIFTS = (
    PREFIXES + 'ex:a a skos:Concept; skos:prefLabel "Gift"@de . '
    'ex:b a skos:Concept; skos:prefLabel "gift"@en .\n'
)
ENTITY = {
    "@context": "http://www.europeana.eu/schemas/context/entity.jsonld",
    "id": "http://data.europeana.eu/concept/base/41",
    "type": "Concept",
    "isShownBy": {"id": "https://example.org/a.jpg", "type": "WebResource"},
    "prefLabel": {"en": "Jewellery", "el": "Κοσμήματα"},
    "altLabel": {"en": ["Jewelry", "Jewels"]},
    "note": {"en": ["Ornaments"]},
    "exactMatch": ["http://vocab.getty.edu/aat/300209286", "no address"],
}


@pytest.fixture
def read(tmp_path):
    def read(text, name="museum.ttl", **options):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return read_vocabulary(path, **options)

    return read


def test_turtle_says_labels_by_language_links_and_definitions(read):
    vocabulary = read(MUSEUM)
    jewellery = vocabulary.by_uri["http://example.org/jewellery"]
    assert jewellery.category == "jewellery"
    assert jewellery.labels == {"en": "jewellery", "el": "κοσμήματα", "bg": "бижута"}
    assert jewellery.alternatives == {"en": ("jewels",)}
    assert jewellery.definitions == {"en": "Ornaments worn on the body."}
    assert jewellery.exact_matches == ("http://data.europeana.eu/concept/41",)
    assert jewellery.notation == "J1"
    assert vocabulary.languages == ("", "bg", "el", "en", "en-gb")


def test_a_concept_is_below_another_whichever_of_the_two_says_so(read):
    vocabulary = read(MUSEUM)
    ring, wedding = "http://example.org/ring", "http://example.org/wedding_ring"
    assert vocabulary.by_uri[ring].broader == ("http://example.org/jewellery",)
    assert set(vocabulary.narrower("http://example.org/jewellery")) == {ring, wedding}
    assert vocabulary.narrower(wedding) == ()


def test_the_terms_of_aat_are_understood(read):
    vocabulary = read(AAT)
    jewelry = vocabulary.by_uri["http://vocab.getty.edu/aat/300209286"]
    assert jewelry.labels == {"en": "jewelry", "nl": "sieraden"}
    assert jewelry.definitions == {"en": "Worn for adornment."}
    assert vocabulary.narrower(jewelry.uri) == ("http://vocab.getty.edu/aat/300046012",)
    assert vocabulary.categories["rings_jewelry"] == "http://vocab.getty.edu/aat/300046012"


@pytest.mark.parametrize("entity", [ENTITY, {"@context": ENTITY["@context"], "items": [ENTITY]}])
def test_an_entity_of_europeana_is_understood_without_the_network(read, entity):
    (concept,) = read(entity, "entity.json").concepts
    assert concept.uri == "http://data.europeana.eu/concept/41"
    assert concept.labels == {"en": "Jewellery", "el": "Κοσμήματα"}
    assert concept.alternatives == {"en": ("Jewelry", "Jewels")}
    assert concept.definitions == {"en": "Ornaments"}
    assert concept.exact_matches == ("http://vocab.getty.edu/aat/300209286",)


def test_rdf_xml_is_read_by_its_content(read):
    xml = """<?xml version="1.0"?>
    <!DOCTYPE rdf:RDF [<!ENTITY ex "http://example.org/">]>
    <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
             xmlns:skos="http://www.w3.org/2004/02/skos/core#">
      <skos:Concept rdf:about="&ex;map">
        <skos:prefLabel xml:lang="de">Karte</skos:prefLabel>
      </skos:Concept>
    </rdf:RDF>"""
    assert read(xml, "museum").categories == {"karte": "http://example.org/map"}


def test_concepts_of_one_scheme_are_taken_and_excluded_ones_go_with_what_is_narrower(read):
    assert list(read(MUSEUM, schemes=["http://example.org/museum"]).categories) == ["jewellery"]
    assert list(read(MUSEUM, exclude=["http://example.org/ring"]).categories) == ["jewellery"]


def test_two_labels_of_one_category_are_told_apart_by_a_part_of_the_hash(read):
    vocabulary = read(TWO_GIFTS)
    assert len(vocabulary.categories) == 2
    assert all(each.startswith("gift_") for each in vocabulary.categories)


def test_a_second_label_and_a_link_that_is_written_as_a_text_are_not_lost(read):
    (concept,) = read(
        PREFIXES + 'ex:a a skos:Concept; skos:prefLabel "ring"@en, "rings"@en ; '
        'skos:exactMatch "http://data.europeana.eu/concept/41" .'
    ).concepts
    assert (concept.labels, concept.alternatives) == ({"en": "ring"}, {"en": ("rings",)})
    assert concept.exact_matches == ("http://data.europeana.eu/concept/41",)


def test_a_concept_to_exclude_must_be_there(read):
    with pytest.raises(VocabularyError, match="no concept http://example.org/rign to exclude"):
        read(MUSEUM, exclude=["http://example.org/rign"])


def test_a_category_with_a_hash_takes_no_label_of_another_concept(read):
    made_up = next(each for each in read(TWO_GIFTS).categories if each.startswith("gift_"))
    again = read(TWO_GIFTS + f'ex:c a skos:Concept; skos:prefLabel "{made_up}"@en .')
    assert len(again.categories) == 3
    assert again.categories[made_up] == "http://example.org/c"


def test_a_file_whose_name_names_no_vocabulary_is_refused():
    assert name_of(Path("a folder/our museum.ttl")) == "our_museum"
    with pytest.raises(VocabularyError, match="import FILE --name NAME"):
        name_of(Path("Μουσείο.ttl"))


CONCEPT = "a skos:Concept; skos:prefLabel"
LONG_LANGUAGE = {
    "@id": "http://example.org/a",
    "@type": "http://www.w3.org/2004/02/skos/core#Concept",
    "http://www.w3.org/2004/02/skos/core#prefLabel": {"@value": "a", "@language": "a" * 9},
}
BOMB = """<!DOCTYPE rdf:RDF [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">&b;</rdf:RDF>"""


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (
            PREFIXES + "ex:a a skos:Concept skos:prefLabel .",
            "a.ttl",
            r"a.ttl, line 5: not valid Turtle",
        ),
        ("<rdf:RDF><unclosed>", "a.rdf", r"a.rdf, line 1: not valid RDF/XML"),
        ('{"@context": {}, ', "a.json", r"a.json, line 1: not JSON"),
        ("[" * 100_000 + '"@id":', "a.json", "nested too deeply|not JSON"),
        ("", "a.ttl", "The vocabulary has no concept"),
        (PREFIXES + "ex:a a skos:Concept .", "a.ttl", "http://example.org/a has no label"),
        (PREFIXES + f'ex:a {CONCEPT} "a\\u0000b"@en .', "a.ttl", "org/a has a control character"),
        (PREFIXES + f'ex:a {CONCEPT} "\\u001b[31mred" .', "a.ttl", "org/a has a control character"),
        (PREFIXES + f'ex:a {CONCEPT} "{"x" * 1001}" .', "a.ttl", "of more than 1,000 characters"),
        (
            PREFIXES + f'<http://x.org/{"a" * 1000}> {CONCEPT} "x" .',
            "a.ttl",
            "of more than 1,000 characters",
        ),
        ('{"a\\ud800": "http://example.org/a"}', "a.json", "org/a has a control character"),
        (PREFIXES + f'ex:a {CONCEPT} "?!" .', "a.ttl", "org/a has no label with a letter"),
        ({"@context": {"x": "http://x.org/"}} | LONG_LANGUAGE, "a.json", "no tag of a language"),
        (
            PREFIXES + f'ex:a {CONCEPT} "a"; skos:definition "{"x" * 10_001}" .',
            "a.ttl",
            "org/a has a definition of more than 10,000 characters",
        ),
        (BOMB, "a.rdf", "a.rdf declares XML entities that are not the URI of a namespace"),
        (PREFIXES + f'[] {CONCEPT} "x" .', "a.ttl", "needs a URI that begins with http"),
        (PREFIXES + f'<urn:a> {CONCEPT} "x" .', "a.ttl", "begins with http, not urn:a"),
        (
            PREFIXES + f'ex:a {CONCEPT} "Map"@en . ex:b {CONCEPT} "map"@en .',
            "a.ttl",
            r"org/a and http://example.org/b have the same label 'map' \(en\)",
        ),
        (
            PREFIXES + f'ex:a {CONCEPT} "a"; skos:broader ex:b . '
            f'ex:b {CONCEPT} "b"; skos:broader ex:a .',
            "a.ttl",
            "Some concepts are broader than themselves: http://example.org/. -> http://example.org/.",
        ),
        (
            {"@context": "https://example.org/context.jsonld", "@id": "x"},
            "a.json",
            "https://example.org/context.jsonld is only an address",
        ),
        (
            {"@context": {"@import": "https://example.org/c.jsonld"}, "@id": "x"},
            "a.jsonld",
            "@import is not fetched",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_line_or_the_concept(read, text, name, message):
    with pytest.raises(VocabularyError, match=message) as refusal:
        read(text, name)
    assert name in str(refusal.value)
