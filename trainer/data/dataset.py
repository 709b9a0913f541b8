"""Training data: labelled picture files, and how to read them from a folder.

An experiment saves a description of the data, so that another process can read the data again.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from common.errors import DatasetError, UsageError
from common.files import open_regular
from common.process.terminal.progress import progress
from common.vision.answers.familiar_pictures import FamiliarPictures
from common.vision.answers.provider_names import provider_name
from common.vision.kinds import Kind, TrainingPictures

READERS = 8  # threads


@dataclass(frozen=True, kw_only=True)
class Example:
    """A picture with its labels: ascending positions of categories, one if the kind is single.

    `key` is the record ID, or the path below the data folder; `sha256` is that of the file.
    `provider` is the institution of the record, `title` and `url` its title and URI. Pictures of a
    folder have none of these. `weight` is how much the example counts when heads learn. `is_judged`
    is true if its labels come from verdicts.
    """

    key: str
    path: Path
    labels: tuple[int, ...]
    sha256: str
    provider: str = ""
    title: str = ""
    url: str = ""
    weight: float = 1.0
    is_judged: bool = False


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Examples that are left out, and the reason; `details` say more about each, or are empty."""

    reason: str
    keys: tuple[str, ...]
    details: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The training data before a picture is decoded.

    `categories` are in alphabetical order, `concept_uris` has the concept of each. `kind` is single
    if each example has exactly one category, multi if it may have several. `vocabulary` is the
    version in the store that has the labels, such as `museum@2`; None if it is unknown.
    """

    source: str
    kind: Kind
    categories: tuple[str, ...]
    concept_uris: tuple[str, ...]
    picture_source: TrainingPictures
    examples: tuple[Example, ...]
    left_out: tuple[LeftOut, ...] = ()
    vocabulary: str | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 over kind, categories, concepts and examples; it changes with the data."""
        head = [self.kind, self.categories, self.concept_uris]
        digest = hashlib.sha256(json.dumps(head).encode())
        for example in self.examples:
            known: list[object] = [example.key, example.labels, example.sha256, example.provider]
            if example.weight != 1:  # so fingerprints of older data stay as they are
                known.append(example.weight)
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
    def weights(self) -> NDArray[np.float64]:
        """How much each example counts when heads learn, (n,)."""
        return np.array([example.weight for example in self.examples])

    @property
    def counts(self) -> list[int]:
        found = Counter(label for example in self.examples for label in example.labels)
        return [found[label] for label in range(len(self.categories))]

    @property
    def providers(self) -> dict[str, int]:
        """The data providers with their numbers of examples; empty if the examples have none."""
        return count_providers(example.provider for example in self.examples)

    def as_known(self) -> FamiliarPictures:
        return FamiliarPictures.of(
            (example.key for example in self.examples),
            (example.sha256 for example in self.examples),
        )

    def known_to(self, known: FamiliarPictures) -> list[str]:
        """The keys of the examples that are known, by the record's ID or by the file."""
        same_record = known.has_records(example.key for example in self.examples)
        same_file = known.has_files(example.sha256 for example in self.examples)
        return [
            example.key
            for example, by_record, by_file in zip(
                self.examples, same_record, same_file, strict=True
            )
            if by_file or (example.url and by_record)  # an example without URL has a path as key
        ]

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
        """The data without files that are the same byte by byte but have different labels."""
        first: dict[str, dict[tuple[int, ...], Example]] = {}
        for example in self.examples:
            first.setdefault(example.sha256, {}).setdefault(example.labels, example)
        details = {
            example.key: f"like {other.key} ({self.named(other)})"
            for example in self.examples
            for other in first[example.sha256].values()
            if other.labels != example.labels
        }
        return self.without("the same picture is in several categories", details, details)

    def named(self, example: Example) -> str:
        return ", ".join(self.categories[label] for label in example.labels)


class DatasetDescription(BaseModel):
    """The description of the training data in `dataset.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    kind: Kind
    fingerprint: str
    categories: tuple[str, ...]
    concept_uris: tuple[str, ...]
    picture_source: TrainingPictures
    vocabulary: str | None = None


def count_providers(providers: Iterable[str]) -> dict[str, int]:
    """The count of each known data provider, in alphabetical order."""
    found = Counter(map(provider_name, providers))
    del found[""]
    return dict(sorted(found.items()))


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
            "folders, or give a vocabulary with these concepts: --vocab-json FILE."
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
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
