"""Training data: labelled picture files, from a dataset of the store or from a folder.

An experiment keeps a description of the data, from which another process can read it again.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, Row, func, select

from common.errors import DatasetError, UsageError
from common.europeana.record_ids import item_uri
from common.process.progress import progress
from common.process.settings import ImageSettings
from common.store.records import find_dataset
from common.store.session import open_store
from common.store.tables import Concept, DatasetItem, Image, Record
from common.vision.kinds import Kind, PictureSource

READERS = 8  # threads


@dataclass(frozen=True, kw_only=True)
class Example:
    """A picture with its labels: ascending positions of categories, one if the kind is single.

    `key` is the record ID, or the path below the data folder; `sha256` is that of the file.
    `provider` is the institution of the record, `url` the URI of the record. Pictures of a folder
    have neither.
    """

    key: str
    path: Path
    labels: tuple[int, ...]
    sha256: str
    provider: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Examples that are left out, and the reason; `details` say more of each, or are empty."""

    reason: str
    keys: tuple[str, ...]
    details: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The training data before a picture is decoded.

    `categories` are labels in alphabetical order, `concept_uris` the concept of each. `kind` is
    single if every example has exactly one category, multi if it may have several.
    """

    source: str
    kind: Kind
    categories: tuple[str, ...]
    concept_uris: tuple[str, ...]
    picture_source: PictureSource
    examples: tuple[Example, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def fingerprint(self) -> str:
        """sha256 over kind, categories, concepts and examples; it changes with the data."""
        head = [self.kind, self.categories, self.concept_uris]
        digest = hashlib.sha256(json.dumps(head).encode())
        for example in self.examples:
            known = [example.key, example.labels, example.sha256, example.provider]
            digest.update(json.dumps(known).encode())
        return digest.hexdigest()

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Which example has which category, (n, classes)."""
        targets = np.zeros((len(self.examples), len(self.categories)), dtype=np.bool_)
        for row, example in enumerate(self.examples):
            targets[row, example.labels] = True
        return targets

    @property
    def counts(self) -> list[int]:
        """Examples of each category."""
        found = Counter(label for example in self.examples for label in example.labels)
        return [found[label] for label in range(len(self.categories))]

    def without(
        self, reason: str, keys: Iterable[str], details: Mapping[str, str] | None = None
    ) -> "TrainingData":
        """The data without some examples, which are added to `left_out`."""
        dropped = sorted(set(keys))
        if not dropped:
            return self
        left_out = LeftOut(
            reason=reason,
            keys=tuple(dropped),
            details=tuple(details[key] for key in dropped) if details else (),
        )
        gone = frozenset(dropped)
        return replace(
            self,
            examples=tuple(example for example in self.examples if example.key not in gone),
            left_out=(*self.left_out, left_out),
        )

    def without_contradictions(self) -> "TrainingData":
        """The data without files that are the same, byte by byte, but have different labels."""
        first: dict[str, dict[tuple[int, ...], Example]] = {}
        for example in self.examples:
            first.setdefault(example.sha256, {}).setdefault(example.labels, example)
        details = {
            example.key: f"like {other.key} ({self.named(other)})"
            for example in self.examples
            for other in first[example.sha256].values()
            if other.labels != example.labels
        }
        return self.without("the same picture stands in several categories", details, details)

    def named(self, example: Example) -> str:
        """The categories of an example, in words."""
        return ", ".join(self.categories[label] for label in example.labels)


class DatasetDescription(BaseModel):
    """The description of the training data in `dataset.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    kind: Kind
    fingerprint: str
    categories: tuple[str, ...]
    concept_uris: tuple[str, ...]
    picture_source: PictureSource


def folder_data(folder: Path, vocabulary: dict[str, str]) -> TrainingData:
    """The data in a folder with one sub-folder of pictures per category, named by its label.

    Raises:
        UsageError: there is no such folder, or the vocabulary lacks the name of a sub-folder.
        DatasetError: a category is empty.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    categories = sorted(path.name for path in folder.iterdir() if _is_category(path))
    unknown = [category for category in categories if category not in vocabulary]
    if unknown:
        raise UsageError(
            f"{folder}: the vocabulary has no concept for {', '.join(unknown)}. Rename the "
            "folders, or give a vocabulary that has them: --vocab-json FILE."
        )
    paths = [
        (path, label) for label, name in enumerate(categories) for path in _files(folder / name)
    ]
    return TrainingData(
        source=f"folder {folder.resolve()}",
        kind="single",
        categories=tuple(categories),
        concept_uris=tuple(vocabulary[category] for category in categories),
        picture_source="folder",
        examples=tuple(_examples(folder, paths)),
    ).without_contradictions()


def _is_category(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _files(category: Path) -> list[Path]:
    files = sorted(path for path in category.iterdir() if path.is_file() and path.name[0] != ".")
    if not files:
        raise DatasetError(f"The category {category} is empty; add pictures or remove the folder.")
    return files


def _examples(folder: Path, paths: list[tuple[Path, int]]) -> Iterable[Example]:
    with (
        progress("Listing pictures", len(paths)) as report,
        ThreadPoolExecutor(READERS) as pool,
    ):
        for (path, label), sha256 in zip(
            paths, pool.map(_sha256, (path for path, _ in paths)), strict=True
        ):
            report.advance()
            key = path.relative_to(folder).as_posix()
            yield Example(key=key, path=path, labels=(label,), sha256=sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_data(engine: Engine, name: str, image_dir: Path, kind: Kind = "single") -> TrainingData:
    """The records of a dataset with their labels; for the kind single, those with one label.

    Raises:
        UsageError: there is no such dataset; the message names those that exist.
        DatasetError: it has no pictures yet.
    """
    with engine.connect() as connection:
        rows = connection.execute(_items(find_dataset(connection, name))).all()
        concepts = connection.execute(select(Concept.uri, Concept.label)).all()
    label_of = {row.uri: row.label for row in concepts}
    usable = [row for row in rows if kind == "multi" or len(row.concepts) == 1]
    pictured = [row for row in usable if row.path is not None]
    if not pictured:
        raise DatasetError(
            f"Dataset {name} has {len(rows):,} records but no picture to train on; "
            f"run: harvester images --name {name}"
        )
    uris = sorted({uri for row in usable for uri in row.concepts}, key=lambda u: (label_of[u], u))
    data = TrainingData(
        source=f"dataset {name}",
        kind=kind,
        categories=tuple(label_of[uri] for uri in uris),
        concept_uris=tuple(uris),
        picture_source=_picture_source(pictured),
        examples=tuple(_example(row, uris, image_dir) for row in pictured),
    )
    if kind == "single":
        several = _ids(rows, lambda row: len(row.concepts) > 1)
        data = data.without("record with several concepts", several)
    data = data.without("record without a stored picture", _ids(usable, lambda r: r.path is None))
    return data.without_contradictions()


def _items(dataset_id: int) -> Any:
    concepts = func.array_agg(DatasetItem.concept_uri).label("concepts")
    known = (Record.data_provider, Image.path, Image.sha256, Image.source)
    is_stored = (Image.record_id == DatasetItem.record_id) & (Image.state == "stored")
    return (
        select(DatasetItem.record_id, concepts, *known)
        .join(Record, Record.id == DatasetItem.record_id)
        .outerjoin(Image, is_stored)
        .where(DatasetItem.dataset_id == dataset_id)
        .group_by(DatasetItem.record_id, *known)
        .order_by(DatasetItem.record_id.collate("C"))  # the same order in every store
    )


def _example(row: Row[Any], uris: list[str], image_dir: Path) -> Example:
    return Example(
        key=row.record_id,
        path=image_dir / row.path,
        labels=tuple(sorted(uris.index(uri) for uri in row.concepts)),
        sha256=row.sha256,
        provider=row.data_provider or "",
        url=item_uri(row.record_id),
    )


def _ids(rows: Sequence[Row[Any]], condition: Callable[[Row[Any]], bool]) -> list[str]:
    return [row.record_id for row in rows if condition(row)]


def _picture_source(rows: list[Row[Any]]) -> PictureSource:
    sources: set[PictureSource] = {row.source for row in rows}
    return sources.pop() if len(sources) == 1 else "mixed"


def read_again(dataset: DatasetDescription) -> TrainingData:
    """The data of an experiment as it is now, from its dataset of the store or its folder.

    Raises:
        UsageError: there is no such dataset or folder here, or DATABASE_URL is missing.
        DatasetError: there is no picture.
        StoreError: the store cannot be reached.
    """
    where, _, name = dataset.source.partition(" ")
    if where == "folder":
        concepts = zip(dataset.categories, dataset.concept_uris, strict=True)
        return folder_data(Path(name), dict(concepts))
    engine = open_store()
    try:
        return dataset_data(engine, name, ImageSettings.read().image_dir, dataset.kind)
    finally:
        engine.dispose()
