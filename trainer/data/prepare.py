"""From labelled files to what a cross-validation runs on: pictures decoded, checked, and divided.

The checks come before the first picture is trained on. Their findings go to the console, and all
near-duplicates to a file.
"""

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from rich.console import Console

from common.errors import DatasetError, UsageError
from common.files import write_atomically
from trainer.data.cache import CachedData, cached
from trainer.data.dataset import Example, TrainingData
from trainer.data.near_duplicates import group_twins
from trainer.data.split import Fold, Indices, make_folds, validation_parts
from trainer.settings import TrainingConfig

SHOWN = 3  # examples of each finding on the console
COPY = "the same picture under several keys, kept together"
NEAR_DUPLICATE = "near-duplicates, kept together"
DOUBTFUL = "near-duplicates in different categories: look at their labels"


def check_trainable(data: TrainingData, config: TrainingConfig) -> None:
    """Refuse data that a cross-validation cannot be run on.

    Raises:
        UsageError: the data is of another kind, or has fewer data providers than folds, if those
            are to be kept together.
        DatasetError: fewer than two categories, one that every picture has, or one with too few
            different pictures or from one provider only.
    """
    if data.kind != config.kind:
        raise UsageError(
            f"{data.source} is read as {data.kind}-label data, which --mode {config.kind} cannot "
            "use; several labels for one picture need a dataset of the store: --name."
        )
    if len(data.categories) < 2:
        raise DatasetError(
            f"{data.source} has {len(data.categories)} category; a classifier needs at least two."
        )
    if config.group_by == "provider":
        _check_providers(data, config.folds)
    else:
        _check_pictures(data, config.folds)
    _check_tells_apart(data)


def check_folds(data: TrainingData, folds: list[Fold], config: TrainingConfig) -> None:
    """Refuse folds in which a category cannot be learned, chosen by or, where it must be, tested.

    Raises:
        DatasetError: names the category, the fold and the part.
    """
    targets = data.targets
    for fold in folds:
        parts = {"training": fold.training, "validation": fold.validation}
        if config.group_by == "picture":
            parts["test"] = fold.test
        for name, part in parts.items():
            missing = np.flatnonzero(~targets[part].any(axis=0))
            if len(missing):
                raise DatasetError(
                    f"Fold {fold.number + 1} of {config.folds} has no picture of "
                    f"{_listed(data, missing)} for {name}: too few, or too many of them alike, "
                    "since near-duplicates stay together. Take fewer folds, or add pictures."
                )


def examples_needed(folds: int) -> int:
    """How many different pictures a category needs to be in every part of every fold."""
    needed = folds
    while needed - math.ceil(needed / folds) < validation_parts(folds):
        needed += 1
    return needed


def _check_pictures(data: TrainingData, folds: int) -> None:
    different = {(label, example.sha256) for example in data.examples for label in example.labels}
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


def _check_providers(data: TrainingData, folds: int) -> None:
    providers = {example.provider for example in data.examples} - {""}
    if not providers:
        raise UsageError(f"{data.source} has no data providers; take --group-by picture.")
    if len(providers) < folds:
        raise UsageError(
            f"{data.source} has {len(providers)} data providers, too few for {folds} folds by "
            f"provider: take --folds {len(providers)} or --group-by picture."
        )
    of_category = {(label, e.provider) for e in data.examples for label in e.labels}
    found = Counter(label for label, _ in of_category)
    short = [label for label in range(len(data.categories)) if found[label] < 2]
    if short:
        raise DatasetError(
            f"{data.source}: fewer than two data providers have {_listed(data, short)}; when the "
            "one is tested, nothing is left to learn from. Take --group-by picture."
        )


def _check_tells_apart(data: TrainingData) -> None:
    everywhere = np.flatnonzero(data.targets.all(axis=0))
    if len(everywhere):
        raise DatasetError(
            f"{data.source}: every picture is {_listed(data, everywhere)}; add pictures without."
        )


def _listed(data: TrainingData, labels: Iterable[int]) -> str:
    return ", ".join(data.categories[label] for label in labels)


@dataclass(frozen=True, kw_only=True)
class Twin:
    """An example whose picture is like that of another, and what that means for the two."""

    example: str
    finding: str
    like: str


def list_twins(data: TrainingData, groups: Indices) -> tuple[Twin, ...]:
    """Every example that shares its group (n,) with others, those of one finding together."""
    members: dict[int, list[Example]] = defaultdict(list)
    for group, example in zip(groups.tolist(), data.examples, strict=True):
        members[group].append(example)
    several = (group for group in members.values() if len(group) > 1)
    twins = [twin for group in several for twin in _twins(data, group)]
    order = (DOUBTFUL, NEAR_DUPLICATE, COPY)
    return tuple(sorted(twins, key=lambda twin: order.index(twin.finding)))


def show_findings(data: TrainingData, twins: Sequence[Twin], console: Console) -> None:
    """A line for each finding: how many examples, and the first of them."""
    found = {f"left out, {part.reason}": list(part.keys) for part in data.left_out}
    for twin in twins:
        found.setdefault(twin.finding, []).append(twin.example)
    for finding, examples in found.items():
        more = ", ..." if len(examples) > SHOWN else ""
        console.print(
            f"  {len(examples):,} x {finding}: {', '.join(examples[:SHOWN])}{more}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def write_twins(twins: Sequence[Twin], path: Path) -> None:
    """Write every twin as a row of CSV.

    Raises:
        EnrichmentError: the disk is full or refuses.
    """
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(field.name for field in fields(Twin))
    rows.writerows(map(astuple, twins))
    write_atomically(path, buffer.getvalue())


def _twins(data: TrainingData, group: list[Example]) -> Iterator[Twin]:
    if len({example.labels for example in group}) > 1:
        finding = DOUBTFUL
    elif len({example.sha256 for example in group}) > 1:
        finding = NEAR_DUPLICATE
    else:
        finding = COPY
    first, second, *_ = group
    for example in group:
        like = second if example is first else first
        yield Twin(example=example.key, finding=finding, like=f"{like.key} ({data.named(like)})")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The readable part of the data with its pictures, its folds, and which pictures are alike."""

    cached: CachedData
    folds: list[Fold]
    twins: tuple[Twin, ...]


def prepare(
    data: TrainingData, config: TrainingConfig, cache_folder: Path, console: Console
) -> Prepared:
    """Check the data, decode its pictures, divide it, and say what was found.

    The same data, settings and seed give the same folds.

    Raises:
        UsageError, DatasetError: the data cannot be trained on as asked.
        EnrichmentError: the disk has too little space for the pictures.
    """
    check_trainable(_usable(data, config), config)
    ready = decoded(data, config, cache_folder)
    check_trainable(ready.data, config)
    groups = group_twins(ready.pictures)
    twins = list_twins(ready.data, groups)
    show_findings(ready.data, twins, console)
    folds = make_folds(
        ready.data.targets,
        groups,
        folds=config.folds,
        seed=config.seed,
        tested_together=_providers(ready.data) if config.group_by == "provider" else None,
    )
    check_folds(ready.data, folds, config)
    return Prepared(cached=ready, folds=folds, twins=twins)


def decoded(data: TrainingData, config: TrainingConfig, cache_folder: Path) -> CachedData:
    """The part of the data that can be used and read, with its pictures.

    Raises:
        DatasetError: no picture can be read, or all of them are too many for a cache.
        EnrichmentError: the disk has too little space for the pictures.
    """
    return cached(_usable(data, config), config.preprocessing, cache_folder)


def _usable(data: TrainingData, config: TrainingConfig) -> TrainingData:
    nameless = [example.key for example in data.examples if not example.provider]
    if config.group_by == "picture" or len(nameless) == len(data.examples):
        return data
    return data.without("record without a data provider", nameless)


def _providers(data: TrainingData) -> Indices:
    """The number of each example's provider, in the order of their names."""
    names = [example.provider for example in data.examples]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
