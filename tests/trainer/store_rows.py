"""Rows of the store that the tests of the trainer need."""

import hashlib
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, update

from common.store.tables import Concept, Dataset, DatasetItem, Image, Record
from common.store.vocabularies import keep_vocabulary
from common.vocabulary.concepts import Vocabulary, VocabularyConcept
from tests.trainer.pictures import VOCABULARY, draw


def add_dataset(
    connection: Connection, name: str, image_dir: Path, *, each: int, pictures: bool = True
) -> None:
    """A dataset with `each` maps and toys, and their files in `image_dir`."""
    for label in ("map", "toy"):
        connection.execute(insert(Concept).values(uri=VOCABULARY[label], label=label))
    dataset_id = connection.scalar(insert(Dataset).values(name=name).returning(Dataset.id))
    for label in ("map", "toy"):
        for number in range(each):
            record_id = f"/1/{label}_{number}"
            connection.execute(insert(Record).values(id=record_id))
            add_label(connection, dataset_id, record_id, label)
            if pictures:
                _add_picture(connection, record_id, image_dir, label, number)


def add_label(connection: Connection, dataset_id: int | None, record_id: str, label: str) -> None:
    """A label of a record in a dataset."""
    connection.execute(
        insert(DatasetItem).values(
            dataset_id=dataset_id,
            record_id=record_id,
            concept_uri=VOCABULARY[label],
            source="search",
        )
    )


def _add_picture(
    connection: Connection, record_id: str, image_dir: Path, label: str, number: int
) -> None:
    path = image_dir / f"{label}_{number}.png"
    image_dir.mkdir(exist_ok=True)
    draw(label, number).save(path)
    connection.execute(
        insert(Image).values(
            record_id=record_id,
            state="stored",
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            path=path.name,
            width=32,
            height=32,
            source="thumbnail",
        )
    )


LABELS_OF = {
    "map": {"en": "Map", "el": "Χάρτης", "bg": "Карта"},
    "toy": {"en": "Toy", "el": "Παιχνίδι"},
}


def name_vocabulary(engine: Engine, dataset: str | None, name: str) -> int:
    """A version of maps and toys with labels in three languages, which the dataset uses."""
    concepts = [
        VocabularyConcept(
            uri=VOCABULARY[category],
            category=category,
            labels={language: f"{label} of {name}" for language, label in labels.items()},
        )
        for category, labels in LABELS_OF.items()
    ]
    with engine.begin() as connection:
        kept, _ = keep_vocabulary(connection, name, Vocabulary.of(concepts), source="a test")
        uses = update(Dataset).where(Dataset.name == dataset).values(vocabulary_id=kept.id)
        connection.execute(uses)
    return kept.id
