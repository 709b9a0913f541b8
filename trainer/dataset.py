"""Training data: labelled picture files, from a dataset of the store or from a folder."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import DatasetError, UsageError
from common.progress import progress
from common.vision.model import PictureSource

READERS = 8  # threads


@dataclass(frozen=True, kw_only=True)
class Example:
    """A picture with its label, the position of its category.

    `key` is the record ID, or the path below the data folder; `sha256` that of the file.
    """

    key: str
    path: Path
    label: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Why some examples are not trained on, and which."""

    reason: str
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """All that is known of the training data before a picture is decoded.

    `categories` are labels in alphabetical order, `concept_uris` the concept of each.
    """

    source: str
    categories: tuple[str, ...]
    concept_uris: tuple[str, ...]
    picture_source: PictureSource
    examples: tuple[Example, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def fingerprint(self) -> str:
        """sha256 over categories, concepts and examples: the same for the same data only."""
        digest = hashlib.sha256(json.dumps([self.categories, self.concept_uris]).encode())
        for example in self.examples:
            digest.update(f"{example.key}\0{example.label}\0{example.sha256}\n".encode())
        return digest.hexdigest()

    @property
    def counts(self) -> list[int]:
        """Examples of each category."""
        found = Counter(example.label for example in self.examples)
        return [found[label] for label in range(len(self.categories))]

    def without(self, reason: str, keys: Iterable[str]) -> "TrainingData":
        """The data less some examples, which are remembered as left out."""
        dropped = frozenset(keys)
        if not dropped:
            return self
        left_out = LeftOut(reason=reason, keys=tuple(sorted(dropped)))
        return replace(
            self,
            examples=tuple(example for example in self.examples if example.key not in dropped),
            left_out=(*self.left_out, left_out),
        )

    def without_contradictions(self) -> "TrainingData":
        """The data less pictures that stand in several categories: byte for byte the same."""
        labels: dict[str, set[int]] = {}
        for example in self.examples:
            labels.setdefault(example.sha256, set()).add(example.label)
        keys = [example.key for example in self.examples if len(labels[example.sha256]) > 1]
        return self.without("the same picture stands in several categories", keys)


def examples_needed(folds: int) -> int:
    """How many different pictures a category needs to be in every part of every fold."""
    needed = folds
    while needed - math.ceil(needed / folds) < validation_parts(folds):
        needed += 1
    return needed


def validation_parts(folds: int) -> int:
    """One of so many parts of what is not tested is for validation."""
    return max(folds - 1, 5)


def check_trainable(data: TrainingData, folds: int) -> None:
    """Refuse data that a cross-validation cannot be run on.

    Raises:
        DatasetError: fewer than two categories, or one with too few different pictures.
    """
    if len(data.categories) < 2:
        raise DatasetError(
            f"{data.source} has {len(data.categories)} category; a classifier needs at least two."
        )
    different = Counter({(example.label, example.sha256) for example in data.examples})
    found = Counter(label for label, _ in different)
    needed = examples_needed(folds)
    short = [
        f"{category} ({found[label]})"
        for label, category in enumerate(data.categories)
        if found[label] < needed
    ]
    if short:
        raise DatasetError(
            f"{folds} folds need {needed} different pictures a category; too few in "
            f"{data.source}: {', '.join(short)}. Take fewer folds, or add pictures."
        )


def folder_data(folder: Path, vocabulary: dict[str, str]) -> TrainingData:
    """The data in a folder with one sub-folder of pictures a category, named by its label.

    Raises:
        UsageError: no such folder, or a sub-folder that the vocabulary does not know.
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
        source=f"folder {folder}",
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
            yield Example(key=key, path=path, label=label, sha256=sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
