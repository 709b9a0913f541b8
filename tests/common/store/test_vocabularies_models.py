"""Which vocabulary a model has that was promoted or imported."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Connection, Engine, text

from common.store.session import open_store
from common.store.vocabularies import keep_vocabulary, read_kept, vocabulary_of_model
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, with_categories

MAP, TOY = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/44"


@pytest.fixture
def engine(database_url: str) -> Engine:
    return open_store()


def keep(connection: Connection, name: str, **labels: str) -> str:
    """A version of a vocabulary of maps and toys, which have the English labels."""
    uris = {"map": MAP, "toy": TOY}
    concepts = [
        VocabularyConcept(uri=uris[name], category="", labels={"en": label, "el": f"{label} el"})
        for name, label in labels.items()
    ]
    made = Vocabulary.of(with_categories(concepts))
    return str(keep_vocabulary(connection, name, made, source="a test")[0])


def chosen(
    connection: Connection, categories: Mapping[str, str], *, named: str = "", model: str = "pilot"
) -> str:
    return str(vocabulary_of_model(connection, categories, named=named, model=model))


def test_a_model_has_the_vocabulary_that_its_training_names(engine: Engine) -> None:
    with engine.begin() as connection:
        keep(connection, "museum", map="map", toy="toy")
        keep(connection, "archive", map="map")
        assert chosen(connection, {MAP: "map"}, named="archive@1") == "archive@1"


def test_a_version_with_other_categories_is_not_taken_although_it_is_named(engine: Engine) -> None:
    with engine.begin() as connection:
        keep(connection, "museum", map="chart", toy="toy")
        keep(connection, "archive", map="map", toy="toy")
        keep(connection, "later", map="map", toy="toy")
        assert chosen(connection, {MAP: "map", TOY: "toy"}, named="museum@1") == "archive@1"


def test_a_model_without_a_vocabulary_gets_one_of_its_own_labels(engine: Engine) -> None:
    with engine.begin() as connection:
        keep(connection, "pilot", map="map", toy="toy")
        own = vocabulary_of_model(connection, {TOY: "Toy!", MAP: "map"}, named="", model="pilot")
        assert str(own) == "model-pilot@1"
        labels = {each.uri: each.labels for each in read_kept(connection, own.id).concepts}
        assert labels == {MAP: {"": "map"}, TOY: {"": "Toy!"}}
        assert chosen(connection, {MAP: "map", TOY: "Toy!"}, model="again") == "model-pilot@1"
        first = connection.execute(text("SELECT label FROM concept ORDER BY uri")).scalars().all()
        assert first == ["map", "toy"]  # nothing is renamed


def test_labels_that_stand_twice_refuse_no_model(engine: Engine) -> None:
    with engine.begin() as connection:
        own = vocabulary_of_model(connection, {MAP: "map", TOY: "map"}, named="", model="pilot")
        kept = read_kept(connection, own.id)
    assert [each.labels for each in kept.concepts] == [{"": "map"}, {"": "map"}]
    assert len(kept.categories) == 2
