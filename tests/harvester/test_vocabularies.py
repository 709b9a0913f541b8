"""Vocabularies on the command line: kept, listed, shown, compared and written."""

import json

import pytest

from common.store.session import open_store
from tests.harvester.conftest import Harvester

MUSEUM = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<http://example.org/map> a skos:Concept ; skos:prefLabel "maps"@en, "χάρτες"@el ;
    skos:definition "Drawings of places."@en .
<http://example.org/plan> a skos:Concept ; skos:prefLabel "plans"@en ;
    skos:broader <http://example.org/map> .
"""


@pytest.fixture
def vocabulary(database_url, tmp_path, monkeypatch):
    """The command, in a folder with a Turtle file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "museum.ttl").write_text(MUSEUM)
    engine = open_store()
    harvester = Harvester(tmp_path, engine)
    yield lambda *arguments, **named: harvester("vocabulary", *arguments, **named)
    engine.dispose()


def test_an_import_is_kept_once_and_a_changed_file_is_the_next_version(vocabulary, tmp_path):
    assert "museum@1: 2 concepts" in vocabulary("import", "museum.ttl").stdout
    assert "The file is the same as museum@1" in vocabulary("import", "museum.ttl").stdout
    (tmp_path / "museum.ttl").write_text(MUSEUM.replace("χάρτες", "χάρτης"))
    changed = vocabulary("import", "museum.ttl").stdout
    assert "museum@2: 2 concepts" in changed
    assert "χάρτες" in changed
    assert "χάρτης" in changed
    listed = json.loads(vocabulary("list", "--json").stdout)
    assert [(each["name"], each["version"], each["languages"]) for each in listed] == [
        ("museum", 1, ["el", "en"]),
        ("museum", 2, ["el", "en"]),
    ]


def test_a_concept_is_shown_in_the_language_that_is_asked_for(vocabulary):
    vocabulary("import", "museum.ttl", "--name", "of_maps")
    greek = vocabulary("show", "of_maps", "--lang", "el").stdout
    assert "χάρτες" in greek
    assert "plans" in greek
    assert "Drawings of places." in greek


def test_a_difference_from_a_file_is_told_before_it_is_kept(vocabulary, tmp_path):
    vocabulary("import", "museum.ttl")
    (tmp_path / "new.ttl").write_text(MUSEUM.replace('"plans"@en', '"plans"@en, "σχέδια"@el'))
    found = json.loads(vocabulary("diff", "museum", "new.ttl", "--json").stdout)
    assert [(each["what"], each["after"]) for each in found] == [("labels el", "σχέδια")]
    assert "The vocabularies are equal." in vocabulary("diff", "museum", "museum.ttl").stdout


def test_an_export_overwrites_no_file_unless_it_is_told_to(vocabulary, tmp_path):
    vocabulary("import", "museum.ttl")
    refused = vocabulary("export", "museum", "museum.ttl", exit_code=2)
    assert "museum.ttl exists" in refused.stderr
    assert (tmp_path / "museum.ttl").read_text() == MUSEUM
    written = vocabulary("export", "museum", "museum.ttl", "--force").stdout
    assert "Wrote museum.ttl: 2 concepts." in written


@pytest.mark.parametrize("name", ["out.ttl", "out.rdf", "out.jsonld"])
def test_what_is_exported_is_imported_as_the_same(vocabulary, name):
    vocabulary("import", "museum.ttl", "--name", "museum")
    vocabulary("export", "museum", name)
    again = vocabulary("import", name, "--name", "museum").stdout
    assert "The file is the same as museum@1" in again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "museum"), "There is no vocabulary 'museum'; there is none yet."),
        (("import", "none.ttl"), "There is no vocabulary file none.ttl."),
        (("import", "museum.ttl", "--name", "a b"), "cannot be the name of a vocabulary"),
        (
            ("import", "museum.ttl", "--include-scheme", "http://x.org/s"),
            "The vocabulary has no concept.",
        ),
        (("export", "museum", "museum.csv"), "must end in one of .ttl"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(vocabulary, arguments, message):
    ended = vocabulary(*arguments, exit_code=2)
    assert message in " ".join(ended.stderr.split())
