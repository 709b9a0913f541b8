"""Preparation: decode the pictures, check the data, and assign the folds.

The checks run before the training. The console shows their findings; all near-duplicates are
written to a file.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from common.errors import DatasetError, UsageError
from common.process.terminal.console import SafeConsole
from common.process.terminal.counting import counted
from trainer.data.cache import CachedData, cached
from trainer.data.dataset import Example, TrainingData
from trainer.data.near_duplicates import (
    group_near_duplicates,
)
from trainer.data.split import Fold, Indices, make_folds, validation_parts
from trainer.data.tables import write_table
from trainer.settings import TrainingSettings

SHOWN = 3  # examples of each finding on the console
COPY = "the same picture under several keys, kept in one part"
NEAR_DUPLICATE = "near-duplicates, kept in one part"
DOUBTFUL = "near-duplicates in different categories: check their labels"


def check_trainable(data: TrainingData, settings: TrainingSettings) -> None:
    """Check that the data can be cross-validated.

    Raises:
        UsageError: the data is of another kind. Or providers must stay together, and there are
            fewer of them than folds.
        DatasetError: there are fewer than two categories, or a category has all pictures or too few
            different ones. Or providers must stay together, and a category has only one.
    """
    if data.kind != settings.kind:
        raise UsageError(
            f"{data.source} has {data.kind}-label data, which --mode {settings.kind} cannot use. "
            "For several labels per picture you need a dataset of the store: --dataset NAME"
        )
    if len(data.categories) < 2:
        raise DatasetError(
            f"{data.source} has {counted(len(data.categories), 'category', 'categories')}; a "
            "classifier needs at least two."
        )
    if settings.group_by == "provider":
        _check_providers(data, settings.folds)
    else:
        _check_pictures(data, settings.folds)
    _check_tells_apart(data)


def check_folds(data: TrainingData, folds: list[Fold], settings: TrainingSettings) -> None:
    """Check that each category is in the training and validation part of every fold.

    It must also be in the test part, unless the test parts keep data providers together.

    Raises:
        DatasetError: a category is missing; the message names the fold and the part.
    """
    if gap := gap_in(data, folds, settings):
        fewer = "fewer folds"
        if settings.group_by == "provider":
            fewer += " or --group-by picture"
        raise DatasetError(
            f"{gap[0].upper()}{gap[1:]}. There are too few pictures, or too many "
            f"near-duplicates, which stay together. Choose {fewer}, or add pictures."
        )


def gap_in(data: TrainingData, folds: list[Fold], settings: TrainingSettings) -> str:
    """Which fold lacks which categories in which part, in words; empty if no fold lacks one."""
    targets = data.targets
    for fold in folds:
        parts = {"training": fold.training, "validation": fold.validation}
        if settings.group_by == "picture":
            parts["test"] = fold.test
        for name, part in parts.items():
            missing = np.flatnonzero(~targets[part].any(axis=0))
            if len(missing):
                number = f"fold {fold.number + 1} of {settings.folds}"
                return f"{number} has no picture of {_listed(data, missing)} for {name}"
    return ""


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
            f"{folds} folds need {needed} different pictures in each category. {data.source} has "
            f"too few of: {', '.join(short)}. Choose fewer folds, or add pictures."
        )


def _check_providers(data: TrainingData, folds: int) -> None:
    providers = {example.provider for example in data.examples} - {""}
    if not providers:
        raise UsageError(f"{data.source} has no data providers: choose --group-by picture.")
    if len(providers) < folds:
        raise UsageError(
            f"{data.source} has {len(providers)} data providers, too few for {folds} folds by "
            f"provider: choose --folds {len(providers)} or --group-by picture."
        )
    of_category = {(label, e.provider) for e in data.examples for label in e.labels}
    found = Counter(label for label, _ in of_category)
    short = [label for label in range(len(data.categories)) if found[label] < 2]
    if short:
        raise DatasetError(
            f"{data.source}: fewer than two data providers have {_listed(data, short)}. So "
            "these pictures would be missing in the training or in the test. Choose "
            "--group-by picture."
        )


def _check_tells_apart(data: TrainingData) -> None:
    everywhere = np.flatnonzero(data.targets.all(axis=0))
    if len(everywhere):
        raise DatasetError(
            f"{data.source}: every picture has {_listed(data, everywhere)}. Add pictures without "
            "it."
        )


def _listed(data: TrainingData, labels: Iterable[int]) -> str:
    return ", ".join(data.categories[label] for label in labels)


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """An example whose picture is nearly the same as another; `finding` says what is done."""

    example: str
    finding: str
    like: str


def list_near_duplicates(data: TrainingData, groups: Indices) -> tuple[NearDuplicate, ...]:
    members: dict[int, list[Example]] = defaultdict(list)
    for group, example in zip(groups.tolist(), data.examples, strict=True):
        members[group].append(example)
    several = (group for group in members.values() if len(group) > 1)
    found = [each for group in several for each in _near_duplicates(data, group)]
    order = (DOUBTFUL, NEAR_DUPLICATE, COPY)
    return tuple(sorted(found, key=lambda each: order.index(each.finding)))


def show_findings(
    data: TrainingData, near_duplicates: Sequence[NearDuplicate], console: SafeConsole
) -> None:
    found = {f"left out, {part.reason}": list(part.keys) for part in data.left_out}
    for each in near_duplicates:
        found.setdefault(each.finding, []).append(each.example)
    for finding, examples in found.items():
        more = ", ..." if len(examples) > SHOWN else ""
        console.print(
            f"  {len(examples):,} x {finding}: {', '.join(examples[:SHOWN])}{more}",
            highlight=False,
            soft_wrap=True,
        )


def write_near_duplicates(near_duplicates: Sequence[NearDuplicate], path: Path) -> None:
    header = [field.name for field in fields(NearDuplicate)]
    write_table(path, [header, *map(astuple, near_duplicates)])


def _near_duplicates(data: TrainingData, group: list[Example]) -> Iterator[NearDuplicate]:
    if len({example.labels for example in group}) > 1:
        finding = DOUBTFUL
    elif len({example.sha256 for example in group}) > 1:
        finding = NEAR_DUPLICATE
    else:
        finding = COPY
    first, second, *_ = group
    for example in group:
        like = second if example is first else first
        yield NearDuplicate(
            example=example.key, finding=finding, like=f"{like.key} ({data.named(like)})"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Assigned:
    """The folds of the readable part of the data, its near-duplicates and their groups (n,)."""

    folds: list[Fold]
    near_duplicates: tuple[NearDuplicate, ...]
    groups: Indices


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared(Assigned):
    cached: CachedData


def prepare(
    data: TrainingData, settings: TrainingSettings, cache_folder: Path, console: SafeConsole
) -> Prepared:
    """Check the data, decode its pictures, assign the folds, and print the findings.

    The same data, settings and seed give the same folds.

    Raises:
        UsageError, DatasetError: the data cannot be trained on with these settings.
        EnrichmentError: the disk has too little space for the pictures.
    """
    check_trainable(usable(data, settings), settings)
    ready = decoded(data, settings, cache_folder)
    made = assign(ready.data, group_near_duplicates(ready.pictures), settings, console)
    return Prepared(**vars(made), cached=ready)


def assign(
    readable: TrainingData, groups: Indices, settings: TrainingSettings, console: SafeConsole
) -> Assigned:
    """Check the readable part of the data, assign the folds, and print the findings.

    Args:
        groups: the group of near-duplicates of each example, (n,), counted from 0.

    Raises:
        UsageError, DatasetError: as `prepare`.
    """
    check_trainable(readable, settings)
    near_duplicates = list_near_duplicates(readable, groups)
    show_findings(readable, near_duplicates, console)
    folds = make_folds(
        readable.targets,
        groups,
        folds=settings.folds,
        seed=settings.seed,
        tested_together=tested_together(readable, settings),
    )
    check_folds(readable, folds, settings)
    return Assigned(folds=folds, near_duplicates=near_duplicates, groups=groups)


def decoded(data: TrainingData, settings: TrainingSettings, cache_folder: Path) -> CachedData:
    """The usable and readable part of the data, with its pictures.

    Raises:
        DatasetError: no picture can be read, or they are too large for a cache.
        EnrichmentError: the disk has too little space for the pictures.
    """
    return cached(usable(data, settings), settings.preprocessing, cache_folder)


def usable(data: TrainingData, settings: TrainingSettings) -> TrainingData:
    """The data; if providers stay together, without records that lack one."""
    nameless = [example.key for example in data.examples if not example.provider]
    if settings.group_by == "picture" or len(nameless) == len(data.examples):
        return data
    return data.without("record without a data provider", nameless)


def tested_together(data: TrainingData, settings: TrainingSettings) -> Indices | None:
    """The number (n,) of each example's provider, if providers stay together."""
    if settings.group_by == "picture":
        return None
    names = [example.provider for example in data.examples]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
