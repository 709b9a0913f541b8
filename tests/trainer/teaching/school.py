"""A store in which a model can be taught: embeddings without pictures, old labels, verdicts."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from sqlalchemy import Connection, Engine, insert, select

from common.store.embeddings import Seen, keep_vectors, save_seen
from common.store.encoders import StoredEncoder
from common.store.tables import (
    Concept,
    Dataset,
    DatasetItem,
    DeskUser,
    Image,
    PictureSource,
    PromotedModel,
    Record,
    Verdict,
)
from common.vision.answers.heads import Embeddings
from common.vision.answers.likeness import Likeness
from common.vision.answers.rule import FLOOR, Rule
from common.vision.bundle import Description
from common.vision.preprocessing import Preprocessing
from tests.trainer.embeddings import around_means
from tests.trainer.encoders import NETWORK, SIZE, add_tiny
from tests.trainer.pictures import draw
from trainer.data.split import Indices
from trainer.learning.head import Lesson, Points, fit_heads
from trainer.models.registry import put_in_service

LABELS = ("map", "textile", "toy")
URIS = tuple(f"http://data.europeana.eu/concept/{name}" for name in LABELS)
MUSEUM = "New Museum"
OLD_PROVIDERS = ("Attic", "Prado")
SEEN_AT = datetime(2026, 3, 1, tzinfo=UTC)
EACH = 40  # old labels of each concept


@dataclass(frozen=True, kw_only=True, eq=False)
class School:
    """A model in service for all, and a museum with 60 pictures that turn the concepts around.

    What the model takes for a map is a textile there, and so on: only verdicts can tell.
    """

    engine: Engine
    model_dir: Path
    encoder: StoredEncoder
    model_id: int
    records: tuple[str, ...]
    labels: Indices

    def judge(self, count: int) -> None:
        """Verdicts on the first records of the museum: the model is wrong, and what it shows."""
        with self.engine.begin() as connection:
            judged = zip(self.records[:count], self.labels[:count], strict=True)
            for minute, (record_id, label) in enumerate(judged):
                verdict = insert(Verdict).values(
                    id=uuid4(),
                    record_id=record_id,
                    concept_uri=URIS[(label + 1) % 3],
                    said="wrong",
                    instead_uri=URIS[label],
                    user_id=1,
                    judged_at=SEEN_AT + timedelta(minutes=minute),
                )
                connection.execute(verdict)


def found_school(engine: Engine, model_dir: Path) -> School:
    """The store with all that is needed but verdicts."""
    encoder = add_tiny(engine, model_dir)
    old = np.arange(3 * EACH) % 3
    shown = np.arange(60) % 3
    vectors = around_means(np.concatenate([old, shown]), dimension=encoder.dimension)
    records = tuple(f"/2/r{number}" for number in range(60))
    with engine.begin() as connection:
        connection.execute(insert(DeskUser).values(id=1, name="r", role="reviewer"))
        concepts = [{"uri": uri, "label": name} for uri, name in zip(URIS, LABELS, strict=True)]
        connection.execute(insert(Concept), concepts)
        _add_old(connection, encoder.id, vectors[: len(old)], old)
        _add_museum(connection, encoder.id, vectors[len(old) :], records)
    model_id = _add_model(engine, model_dir, encoder, vectors[: len(old)], old)
    return School(
        engine=engine,
        model_dir=model_dir,
        encoder=encoder,
        model_id=model_id,
        records=records,
        labels=(shown + 1) % 3,
    )


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _add_old(connection: Connection, encoder_id: int, vectors: Embeddings, labels: Indices) -> None:
    dataset = connection.scalar(insert(Dataset).values(name="plain").returning(Dataset.id))
    for number, label in enumerate(labels.tolist()):
        record_id = f"/1/o{number}"
        provider = OLD_PROVIDERS[number % 2]
        connection.execute(insert(Record).values(id=record_id, data_provider=provider))
        connection.execute(
            insert(DatasetItem).values(
                dataset_id=dataset,
                record_id=record_id,
                concept_uri=URIS[label],
                source="search",
            )
        )
        picture = {"sha256": _digest(record_id).hex(), "path": f"{number}.png"}
        size = {"width": 32, "height": 32, "source": "thumbnail"}
        connection.execute(
            insert(Image).values(record_id=record_id, state="stored", **picture, **size)
        )
    digests = [_digest(f"/1/o{number}") for number in range(len(labels))]
    keep_vectors(connection, encoder_id, dict(zip(digests, vectors, strict=True)))


def _add_museum(
    connection: Connection, encoder_id: int, vectors: Embeddings, records: tuple[str, ...]
) -> None:
    rows = [
        {"id": each, "data_provider": MUSEUM, "preview_url": f"http://museum.example{each}"}
        for each in records
    ]
    connection.execute(insert(Record), rows)
    keep_vectors(connection, encoder_id, dict(zip(map(_digest, records), vectors, strict=True)))
    save_seen(
        connection,
        [
            Seen(
                record_id=each,
                source=PictureSource.THUMBNAIL,
                url=f"http://museum.example{each}",
                sha256=_digest(each),
                seen_at=SEEN_AT,
            )
            for each in records
        ],
    )


def _add_model(
    engine: Engine,
    model_dir: Path,
    encoder: StoredEncoder,
    vectors: Embeddings,
    labels: Indices,
) -> int:
    points = Points.of(vectors)
    targets = torch.eye(3)[torch.from_numpy(labels)]
    lesson = Lesson.of(np.arange(len(labels)), targets, "single", "none")
    (weights,) = fit_heads(points, [lesson], strength=1e-3)
    description = Description(
        architecture=NETWORK,
        encoder=encoder.sha256,
        labels=LABELS,
        concept_uris=URIS,
        preprocessing=Preprocessing(size=SIZE),
        kind="single",
        temperature=1.0,
        thresholds=dict.fromkeys(URIS, 0.7),
        rule=Rule.of("single", FLOOR),
        picture_source="thumbnail",
        created_from={"experiment": "heads", "folds": [0], "data": "dataset plain"},
    )
    shown = torch.stack([Preprocessing(size=SIZE).to_uint8(draw("map", n)) for n in range(4)])
    put_in_service(
        engine,
        model_dir,
        description,
        [points.on_embeddings(weights)],
        self_test=shown,
        likeness=Likeness.of(vectors[:50], 0.1),
        name="heads",
        active=True,
    )
    with engine.connect() as connection:
        return connection.execute(select(PromotedModel.id)).scalar_one()
