"""Selections of the store's records."""

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.store.vocabularies import keep_vocabulary
from common.vocabulary.concepts import Vocabulary, VocabularyConcept
from worker import jobs
from worker.jobs import RecordSelection

MAP = "http://data.europeana.eu/concept/43"


@pytest.fixture
def store(engine: Engine, model_id: int, records: list[str]) -> Engine:
    """Ten records of a museum, twenty that are maps by a dataset, five that are both."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE record SET data_provider = 'Museum' WHERE id = ANY(:ids)"),
            {"ids": records[:10]},
        )
        connection.execute(text("INSERT INTO dataset (name) VALUES ('maps'), ('empty')"))
        connection.execute(
            text("""
                INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source)
                SELECT dataset.id, unnest(CAST(:ids AS text[])), :map, 'search'
                FROM dataset WHERE name = 'maps'
            """),
            {"ids": records[5:25], "map": MAP},
        )
    return engine


SELECTED = [
    (RecordSelection(dataset="maps"), 20),
    (RecordSelection(data_provider="Museum"), 10),
    (RecordSelection(concept=MAP), 20),
    (RecordSelection(concept="http://data.europeana.eu/concept/base/43"), 20),
    (RecordSelection(concept="map"), 20),
    (RecordSelection(dataset="maps", data_provider="Museum", concept="map"), 5),
]
REFUSED = [
    (RecordSelection(dataset="globes"), "'globes'.*empty, maps"),
    (RecordSelection(data_provider="Zoo"), "'Zoo'.*Museum"),
    (RecordSelection(concept="vase"), "'vase'.*map, painting"),
]


def test_conditions_select_together(store: Engine) -> None:
    for selection, total in SELECTED:
        assert jobs.enqueue(store, selection).total == total, selection


@pytest.mark.parametrize("name", ["Χάρτης", "χάρτησ", "mapa", "Carte", "atlas_sheet"])
def test_a_concept_is_found_by_what_any_vocabulary_calls_it(store: Engine, name: str) -> None:
    concept = VocabularyConcept(
        uri=MAP,
        category="atlas_sheet",
        labels={"el": "Χάρτησ", "es": "Mapa"},
        alternatives={"el": ("Χάρτης",), "fr": ("carte", "plan")},
    )
    with store.begin() as connection:
        keep_vocabulary(connection, "museum", Vocabulary.of([concept]), source="a test")
    assert jobs.enqueue(store, RecordSelection(concept=name)).total == 20


def test_what_does_not_exist_is_refused_with_what_does(store: Engine) -> None:
    for selection, message in REFUSED:
        with pytest.raises(UsageError, match=message):
            jobs.enqueue(store, selection)


def test_a_selection_of_nothing_is_refused(store: Engine) -> None:
    with pytest.raises(UsageError, match="no record to enqueue"):
        jobs.enqueue(store, RecordSelection(dataset="empty"))
