"""From labelled files to what a cross-validation runs on: pictures decoded, checked, divided."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from trainer.data.cache import CachedData, cached
from trainer.data.checks import check_folds, check_trainable
from trainer.data.data_report import Twin, list_twins, show_findings
from trainer.data.dataset import TrainingData
from trainer.data.near_duplicates import group_twins
from trainer.folds.split import Fold, Indices, make_folds
from trainer.learning.settings import TrainingConfig


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
