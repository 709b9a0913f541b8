"""Training data from the store."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from common.errors import DatasetError, UsageError
from common.store.session import open_store
from common.store.tables import Concept, Dataset, DatasetItem, Image, Record, Verdict
from tests.common.store.verdict_rows import add_people, uri
from tests.trainer.pictures import VOCABULARY
from tests.trainer.store_rows import add_dataset, add_label, name_vocabulary
from trainer.data.store_dataset import dataset_data


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """On an empty store."""
    engine = open_store()
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine, tmp_path: Path) -> Engine:
    """With a dataset `old_maps` of six maps and six toys, pictures in tmp_path / images."""
    with engine.begin() as connection:
        add_dataset(connection, "old_maps", tmp_path / "images", each=6)
    return engine


def test_the_records_of_a_dataset_are_the_examples(store: Engine, tmp_path: Path) -> None:
    data = dataset_data(store, "old_maps", tmp_path / "images")
    assert data.categories == ("map", "toy")
    assert data.concept_uris == (VOCABULARY["map"], VOCABULARY["toy"])
    assert data.counts == [6, 6]
    assert data.picture_source == "thumbnail"
    assert data.examples[0].key == "/1/map_0"
    assert data.examples[0].path.exists()


def test_the_categories_are_those_of_the_vocabulary_that_the_dataset_names(
    store: Engine, tmp_path: Path
) -> None:
    before = dataset_data(store, "old_maps", tmp_path / "images")
    name_vocabulary(store, "old_maps", "museum")
    now = dataset_data(store, "old_maps", tmp_path / "images")
    assert (before.vocabulary, now.vocabulary) == (None, "museum@1")
    assert now.fingerprint == before.fingerprint  # so a begun training goes on
    with store.begin() as connection:
        connection.execute(text("UPDATE vocabulary_concept SET category = 'a_' || category"))
    assert dataset_data(store, "old_maps", tmp_path / "images").categories == ("a_map", "a_toy")


def test_records_with_several_concepts_or_no_picture_are_left_out(
    store: Engine, tmp_path: Path
) -> None:
    with store.begin() as connection:
        add_label(connection, connection.scalar(select(Dataset.id)), "/1/map_0", "toy")
        connection.execute(delete(Image).where(Image.record_id == "/1/toy_3"))
    data = dataset_data(store, "old_maps", tmp_path / "images")
    assert data.counts == [5, 5]
    left_out = {part.reason: part.keys for part in data.left_out}
    assert left_out == {
        "record with several concepts": ("/1/map_0",),
        "record without a stored picture": ("/1/toy_3",),
    }


def test_pictures_of_both_sources_are_called_mixed(store: Engine, tmp_path: Path) -> None:
    with store.begin() as connection:
        is_first = Image.record_id == "/1/map_0"
        connection.execute(update(Image).where(is_first).values(source="media"))
    assert dataset_data(store, "old_maps", tmp_path / "images").picture_source == "mixed"


def test_an_unknown_dataset_is_answered_with_those_that_exist(store: Engine) -> None:
    with pytest.raises(UsageError, match="there are: old_maps"):
        dataset_data(store, "new_maps", Path("images"))


def test_an_empty_store_has_no_dataset(engine: Engine) -> None:
    with pytest.raises(UsageError, match="there is none at all yet"):
        dataset_data(engine, "new_maps", Path("images"))


def test_a_dataset_without_pictures_names_the_command_to_run(
    engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        add_dataset(connection, "bare", tmp_path, each=2, pictures=False)
    with pytest.raises(DatasetError, match="harvester images --dataset bare"):
        dataset_data(engine, "bare", tmp_path)


def test_examples_know_their_provider_and_where_to_look(store: Engine, tmp_path: Path) -> None:
    with store.begin() as connection:
        is_first = Record.id == "/1/map_0"
        connection.execute(update(Record).where(is_first).values(data_provider="A museum"))
    first, second, *_ = dataset_data(store, "old_maps", tmp_path / "images").examples
    assert (first.provider, second.provider) == ("A museum", "")
    assert first.url == "http://data.europeana.eu/item/1/map_0"


def test_multi_label_data_has_every_label_of_a_record(store: Engine, tmp_path: Path) -> None:
    with store.begin() as connection:
        add_label(connection, connection.scalar(select(Dataset.id)), "/1/toy_2", "map")
    data = dataset_data(store, "old_maps", tmp_path / "images", "multi")
    assert data.kind == "multi"
    assert data.counts == [7, 6]
    labels = {example.key: example.labels for example in data.examples}
    assert (labels["/1/toy_2"], labels["/1/toy_3"]) == ((0, 1), (1,))
    assert data.left_out == ()


def test_a_category_without_any_picture_is_not_forgotten(store: Engine, tmp_path: Path) -> None:
    with store.begin() as connection:
        connection.execute(delete(Image).where(Image.record_id.startswith("/1/toy")))
    data = dataset_data(store, "old_maps", tmp_path / "images")
    assert data.categories == ("map", "toy")
    assert data.counts == [6, 0]


def test_a_judged_record_has_the_label_of_its_verdict_and_its_weight(
    store: Engine, tmp_path: Path
) -> None:
    with store.begin() as connection:
        add_people(connection)
        say_of(connection, "/1/map_0", "toy", instead_of="map")
        say_of(connection, "/1/map_1", "coin", instead_of="map")  # no concept of the dataset
    plain = dataset_data(store, "old_maps", tmp_path / "images")
    data = dataset_data(store, "old_maps", tmp_path / "images", with_verdicts=True)
    judged = [each for each in data.examples if each.is_judged]
    assert [(each.key, each.labels, each.weight) for each in judged] == [("/1/map_0", (1,), 10.0)]
    assert (plain.counts, data.counts) == ([6, 6], [5, 7])
    assert data.source == "dataset old_maps and verdicts"
    assert data.weights.tolist() == [10.0, *[1.0] * 11]
    assert data.fingerprint != plain.fingerprint


def test_a_judged_record_joins_if_it_has_a_picture(store: Engine, tmp_path: Path) -> None:
    with store.begin() as connection:
        add_people(connection)
        connection.execute(
            delete(DatasetItem).where(DatasetItem.record_id.in_(["/1/toy_0", "/1/toy_1"]))
        )
        connection.execute(delete(Image).where(Image.record_id == "/1/toy_1"))
        for record_id in ("/1/toy_0", "/1/toy_1"):
            say_of(connection, record_id, "toy", instead_of="map")
    data = dataset_data(store, "old_maps", tmp_path / "images", with_verdicts=True)
    assert data.counts == [6, 5]
    assert [each.keys for each in data.left_out] == [("/1/toy_1",)]


def say_of(connection: Connection, record_id: str, concept: str, *, instead_of: str) -> None:
    """A verdict: it shows another concept than the one that was suggested."""
    for label in (concept, instead_of):
        connection.execute(
            insert(Concept)
            .values(uri=VOCABULARY.get(label, uri(label)), label=label)
            .on_conflict_do_nothing()
        )
    connection.execute(
        insert(Verdict).values(
            id=uuid4(),
            record_id=record_id,
            concept_uri=VOCABULARY[instead_of],
            said="wrong",
            instead_uri=VOCABULARY.get(concept, uri(concept)),
            user_id=1,
        )
    )
