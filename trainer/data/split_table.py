"""The table `splits.csv`: the part of each example in each fold, and the source of its picture.

Readers raise ModelError if it is missing or damaged.
"""

from collections.abc import Sequence
from pathlib import Path

from common.errors import ModelError
from common.vision.answers.familiar_pictures import FamiliarPictures
from common.vision.answers.provider_names import provider_name
from trainer.data.dataset import Example, TrainingData, count_providers
from trainer.data.split import Fold
from trainer.data.tables import cell_of, parsing, read_columns, read_table, write_table

_COLUMNS = ("example", "category", "picture", "provider", "sha256", "title")
_LEARNED = ("train", "validation")


def write_splits(path: Path, data: TrainingData, folds: Sequence[Fold]) -> None:
    parts = [fold.part_of(len(data.examples)) for fold in folds]
    rows = (
        [
            example.key,
            cell_of(target, data.categories),
            example.path.resolve(),
            example.provider,
            example.sha256,
            example.title,
            *of_folds,
        ]
        for example, target, *of_folds in zip(data.examples, data.targets, *parts, strict=True)
    )
    write_table(path, [[*_COLUMNS, *(_column(fold.number) for fold in folds)], *rows])


def read_fold(path: Path, number: int, examples: Sequence[Example]) -> Fold:
    rows = read_columns(path, "example", _column(number))
    if [key for key, _ in rows] != [example.key for example in examples]:
        raise ModelError(f"The pictures in {path} are not the pictures that can be read here.")
    return Fold.of_parts(number, [part for _, part in rows])


def read_paths(path: Path) -> dict[str, Path]:
    return {key: Path(picture) for key, picture in read_columns(path, "example", "picture")}


def read_providers(path: Path, folds: Sequence[int]) -> dict[str, int]:
    """The data providers that these folds learned from, with their numbers of pictures.

    Empty if the examples have none, or the table is of an older version.
    """
    if not _has(path, "provider"):
        return {}
    rows = read_columns(path, "provider", *map(_column, folds))
    return count_providers(provider for provider, *parts in rows if set(parts) & set(_LEARNED))


def read_provider_of(path: Path) -> dict[str, str]:
    """The data provider of each example that has one; none if the table is of an older version."""
    if not _has(path, "provider"):
        return {}
    rows = read_columns(path, "example", "provider")
    named = ((key, provider_name(provider)) for key, provider in rows)
    return {key: name for key, name in named if name}


def read_known(path: Path) -> FamiliarPictures:
    """All examples, as a model saves them; without files if the table is of an older version."""
    with parsing(path):
        header, *rows = read_table(path)
        columns = dict(zip(header, zip(*rows, strict=True), strict=False))
        return FamiliarPictures.of(columns["example"], columns.get("sha256", ()))


def read_titles(path: Path) -> dict[str, str]:
    """The title of each record; none if the table is of an older version."""
    rows = read_columns(path, "example", "title") if _has(path, "title") else []
    return {key: title for key, title in rows if title}


def _has(path: Path, column: str) -> bool:
    with parsing(path):
        header, *_ = read_table(path)
    return column in header


def _column(fold: int) -> str:
    return f"split_{fold}"
