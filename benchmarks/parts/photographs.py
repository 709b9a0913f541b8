"""Photographs of ../shared with their embeddings, and heads that learn from a part of them."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import Engine

from benchmarks.parts.foreign_pictures import write_foreign
from benchmarks.parts.services import REPOSITORY, store_and_broker
from common.process.terminal.console import SafeConsole
from common.store.encoders import StoredEncoder
from common.vision.answers.heads import Embeddings
from common.vision.model import Model
from common.vision.saved_model import bundle_sha256, load_bundle
from trainer.data.dataset import Example, TrainingData, folder_data
from trainer.data.embedded import EmbeddedData, embed, group_embedded
from trainer.data.prepare import assign
from trainer.data.split import Indices
from trainer.experiment import Experiment
from trainer.learning.head import Points
from trainer.models.encoders import add_encoder, of_library
from trainer.models.promote import promote, propose
from trainer.models.proposal import Terms
from trainer.models.store import Promoted
from trainer.running.head_fold import HeadAssignment, run_heads
from trainer.settings import TrainingSettings

SHARED = REPOSITORY.parent / "shared"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_features.safetensors"
ELEMENTS = SHARED / "data" / "elements" / "train_val.zip"
MUSEUM = SHARED / "data" / "museum"
NETWORK = "torchvision:mobilenet_v2.IMAGENET1K_V1"
CONCEPT = "http://data.europeana.eu/concept/{}"


def missing() -> Path | None:
    """The first missing folder of ../shared; None if all are there."""
    return next((path for path in (WEIGHTS, ELEMENTS, MUSEUM) if not path.exists()), None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Photographs:
    """Labelled photographs with their embeddings, and their groups of near-duplicates (n,)."""

    ready: EmbeddedData
    groups: Indices

    @property
    def embeddings(self) -> Embeddings:
        return self.ready.embeddings

    def some(self, rows: Indices) -> "Photographs":
        data = self.ready.data
        chosen = replace(data, examples=tuple(data.examples[row] for row in rows))
        _, groups = np.unique(self.groups[rows], return_inverse=True)
        ready = replace(self.ready, data=chosen, embeddings=self.embeddings[rows])
        return Photographs(ready=ready, groups=groups.astype(np.int64))


@dataclass(frozen=True, kw_only=True, eq=False)
class Studio:
    """A store with an encoder, and photographs with their embeddings."""

    engine: Engine
    folder: Path
    encoder: StoredEncoder
    elements: Photographs
    museum: Photographs

    def train_heads(self, learned: Photographs, name: str, **settings: Any) -> Experiment:
        """Cross-validate heads on photographs, as `trainer train` does."""
        ready = learned.ready
        return train_heads(self.folder, self.encoder, ready, learned.groups, name, **settings)

    def foreign(self) -> Embeddings:
        """The embeddings of pictures that are not photographs of objects."""
        write_foreign(self.folder / "foreign" / "none")
        data = folder_data(self.folder / "foreign", {"none": CONCEPT.format(0)})
        return embed(data, self.encoder, self.engine, self.folder).embeddings

    def promoted(self, experiment: Experiment, terms: Terms) -> Model:
        """The ensemble of its heads, as workers load it."""
        folder = self.folder / promote_heads(self.engine, self.folder, experiment, terms).path
        return load_bundle(folder, bundle_sha256(folder))


def train_heads(
    folder: Path,
    encoder: StoredEncoder,
    ready: EmbeddedData,
    groups: Indices,
    name: str,
    **settings: Any,
) -> Experiment:
    """Cross-validate heads on embeddings, as `trainer train` does."""
    chosen = TrainingSettings(encoder=encoder.name, encoder_sha256=encoder.sha256, **settings)
    experiment = Experiment(folder / "experiments", name)
    assigned = assign(ready.data, groups, chosen, SafeConsole(stderr=True, quiet=True))
    experiment.begin(chosen, ready.data)
    experiment.write_splits(ready.data, assigned.folds)
    assignment = HeadAssignment(
        ready=ready,
        points=Points.of(ready.embeddings),
        assigned=assigned,
        settings=chosen,
        experiment=experiment,
    )
    list(run_heads(range(chosen.folds), assignment))
    return experiment


def promote_heads(
    engine: Engine, model_dir: Path, experiment: Experiment, terms: Terms
) -> Promoted:
    """Promote the ensemble of an experiment's heads, as `trainer promote` does."""
    proposal = propose(
        experiment, terms, fold=None, ensemble=True, judged_on=None, model_dir=model_dir
    )
    return promote(proposal, name=experiment.name, model_dir=model_dir, engine=engine)


@contextmanager
def studio() -> Iterator[Studio]:
    """Elements and museums with their embeddings, during the block."""
    with TemporaryDirectory() as temporary, store_and_broker() as engine:
        folder = Path(temporary)
        stored, _ = add_encoder(engine, folder, "mobilenet", of_library(NETWORK, WEIGHTS, None))
        found = []
        for data in (_elements(folder / "elements"), _museum()):
            ready = embed(data, stored, engine, folder)
            groups = group_embedded(ready, folder / "cache", SafeConsole(stderr=True))
            found.append(Photographs(ready=ready, groups=groups))
        yield Studio(
            engine=engine, folder=folder, encoder=stored, elements=found[0], museum=found[1]
        )


def _elements(folder: Path) -> TrainingData:
    with zipfile.ZipFile(ELEMENTS) as archive:
        archive.extractall(folder)
    names = sorted(path.name for path in folder.iterdir())
    return folder_data(folder, {name: CONCEPT.format(i) for i, name in enumerate(names)})


def _museum() -> TrainingData:
    lines = (MUSEUM / "catalog.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    categories = tuple(sorted({item["category"] for item in items}))
    return TrainingData(
        source="museum",
        kind="single",
        categories=categories,
        concept_uris=tuple(CONCEPT.format(i) for i in range(len(categories))),
        picture_source="media",
        examples=tuple(
            Example(
                key=item["id"],
                path=MUSEUM / item["image"],
                labels=(categories.index(item["category"]),),
                sha256=hashlib.sha256((MUSEUM / item["image"]).read_bytes()).hexdigest(),
                provider=str(item["dataProvider"]),
            )
            for item in items
        ),
    )
