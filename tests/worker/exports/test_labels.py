"""Labels in exports: all languages of the vocabulary of the model that found a concept."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pyld import jsonld
from rdflib import Graph, Literal, URIRef
from typer.testing import CliRunner

from common.europeana.linked_data import SKOS
from common.store.vocabularies import keep_vocabulary
from common.vocabulary.concepts import Vocabulary, VocabularyConcept
from tests.common.europeana.linked_data import offline
from tests.worker.shelf import MAP, PAINTING, Shelf
from worker.cli import app
from worker.exports.selection import Selection

MUSEUM: dict[str, dict[str, str]] = {
    "map": {"en": "Map", "el": "Χάρτης", "pt-br": "Mapa & <carta>"},
    "painting": {"en": "Painting", "el": "Ζωγραφική"},
}
ARCHIVE: dict[str, dict[str, str]] = {
    "chart": {"bg": "Карта", "en": "=Chart"},
    "picture": {"": "picture"},
}
PLAIN: dict[str, dict[str, str]] = {"map": {"": "map"}, "painting": {"": "painting"}}


def use(shelf: Shelf, model: str, name: str, labels: dict[str, dict[str, str]]) -> None:
    """The model has the next version of a vocabulary: of the map, and of the painting."""
    concepts = [
        VocabularyConcept(uri=uri, category=category, labels=by_language)
        for uri, (category, by_language) in zip((MAP, PAINTING), labels.items(), strict=True)
    ]
    with shelf.engine.begin() as connection:
        kept, _ = keep_vocabulary(connection, name, Vocabulary.of(concepts), source="a test")
    shelf.execute(
        "UPDATE model SET vocabulary_id = :kept, labels = ARRAY[:map, :painting]"
        " WHERE name || ' ' || version = :model",
        **{"kept": kept.id, "map": MAP, "painting": PAINTING, "model": model},
    )


@pytest.fixture
def filled(shelf: Shelf) -> Shelf:
    """Vases 1 speaks as the museum does, vases 2 as the archive."""
    shelf.add("/1/a", MAP, 0.9)
    shelf.add("/1/a", PAINTING, 0.8)
    shelf.add("/1/b", MAP, 0.7, model="vases 2")
    shelf.add("/1/b", PAINTING, 0.6, model="vases 2")
    use(shelf, "vases 1", "museum", MUSEUM)
    use(shelf, "vases 2", "archive", ARCHIVE)
    return shelf


def export(file: Path, *more: str) -> bytes:
    done = CliRunner().invoke(app, ["export", "--model", "vases", str(file), "--force", *more])
    assert done.exit_code == 0, done.output
    return file.read_bytes()


def test_a_table_has_a_column_for_each_language_and_each_model_its_own_labels(
    filled: Shelf, tmp_path: Path
) -> None:
    text = export(tmp_path / "all.csv", "--lang", "el").decode()
    rows = list(csv.DictReader(text.splitlines()))
    languages = ["label_bg", "label_el", "label_en", "label_pt-br"]
    assert list(rows[0])[-5:] == ["written", *languages]
    told = [[row["label"], *(row[each] for each in languages)] for row in rows]
    assert told == [
        ["Χάρτης", "", "Χάρτης", "Map", "Mapa & <carta>"],
        ["Ζωγραφική", "", "Ζωγραφική", "Painting", ""],
        ["'=Chart", "Карта", "", "'=Chart", ""],
        ["picture", "", "", "", ""],
    ]


def test_parquet_has_the_same_columns(filled: Shelf, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `parquet`")
    export(tmp_path / "all.parquet")
    rows = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert [(row["label"], row["label_bg"], row["label_pt-br"]) for row in rows] == [
        ("Map", None, "Mapa & <carta>"),
        ("Painting", None, None),
        ("=Chart", "Карта", None),
        ("picture", None, None),
    ]


def test_a_reader_of_json_ld_finds_the_labels_of_the_concept(filled: Shelf, tmp_path: Path) -> None:
    export(tmp_path / "all.jsonl")
    (page,) = map(json.loads, (tmp_path / "all.jsonl").read_text().splitlines())
    assert [item["body"] for item in page["items"]] == [MAP, PAINTING, MAP, PAINTING]
    assert page["items"][0]["@included"][0]["prefLabel"] == MUSEUM["map"]
    assert page["items"][2]["@included"][0]["prefLabel"] == ARCHIVE["chart"]
    assert "@included" not in page["items"][3]  # a label without a language is none of a map
    one: dict[str, Any] = {"@context": page["@context"]} | page["items"][0]
    said = jsonld.to_rdf(one, {"documentLoader": offline})["@default"]
    labels = {
        each["object"]["language"]: each["object"]["value"]
        for each in said
        if each["subject"]["value"] == MAP and each["predicate"]["value"] == f"{SKOS}prefLabel"
    }
    assert labels == MUSEUM["map"]


def test_edm_names_each_concept_once_in_all_languages(filled: Shelf, tmp_path: Path) -> None:
    text = export(tmp_path / "all.rdf").decode()
    assert text.count("<skos:Concept ") == 2
    graph = Graph().parse(data=text, format="xml")
    labels = set(graph.objects(URIRef(MAP), URIRef(f"{SKOS}prefLabel")))
    assert labels == {Literal(label, language) for language, label in MUSEUM["map"].items()}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "rdf", "parquet"])
def test_labels_without_a_language_leave_an_export_as_it_was(
    shelf: Shelf, tmp_path: Path, ending: str
) -> None:
    shelf.add("/1/a", MAP, 0.9)
    before = export(tmp_path / f"before.{ending}")
    use(shelf, "vases 1", "plain", PLAIN)
    assert export(tmp_path / f"after.{ending}") == before


@pytest.mark.parametrize("ending", ["csv", "jsonl", "rdf", "parquet"])
def test_a_new_version_of_a_vocabulary_changes_no_export(
    filled: Shelf, tmp_path: Path, ending: str
) -> None:
    before = export(tmp_path / f"before.{ending}")
    use(filled, "coins 1", "museum", ARCHIVE)
    use(filled, "coins 1", "archive", MUSEUM)
    assert export(tmp_path / f"after.{ending}") == before


def test_a_model_of_before_keeps_the_labels_that_the_store_knows(filled: Shelf) -> None:
    filled.add("/1/a", MAP, 0.5, model="coins 1")
    assert [row.label for row in filled.found(Selection(model="coins"))] == ["map"]


def test_a_language_that_is_none_is_refused(filled: Shelf) -> None:
    refused = CliRunner().invoke(app, ["export", "--model", "vases", "--lang", "?"])
    assert refused.exit_code == 2
    assert "is not a language" in refused.output
