"""An experiment on disk: what a cross-validation leaves behind, and how it is read again.

EXPERIMENT/
    conf.json, dataset.json                  what was asked for, of what
    splits.csv, left_out.csv, twins.csv      how the examples were divided; without use; much alike
    split_K/checkpoint.pth                   the weights: a plain state dict
            class_index.json, conf.json      index to label; the settings
            history.csv, tensorboard/        every epoch
            predictions.csv                  every test example
            validation_predictions.csv       every validation example
            heatmaps/, *.png                 to look at
            metrics.json                     written last: a split that has it is finished
    summary.json, *.png, doubtful_labels.csv all splits together
    report.html                              all of it, to read
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import EnrichmentError, ModelError, UsageError
from common.files import write_atomically
from trainer.claims import claim, is_claimed
from trainer.data.dataset import DatasetDescription, Example, LeftOut, TrainingData
from trainer.data.split import Fold
from trainer.learning.state import Epoch, read_history
from trainer.scoring.metrics import Metrics
from trainer.scoring.predictions import (
    Predictions,
    cell_of,
    read_predictions,
    write_predictions,
    write_table,
)
from trainer.settings import TrainingConfig

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_TEST = "predictions.csv"
_VALIDATION = "validation_predictions.csv"


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """What `metrics.json` of a split says; `metrics` are those of the test part."""

    fold: int
    checkpoint_sha256: str
    best_epoch: int
    epochs: int
    validation_loss: float
    test: Metrics


class Experiment:
    """One cross-validation, in its folder below `saving_dir`."""

    def __init__(self, saving_dir: Path, name: str) -> None:
        self.name = checked_name(name, of="an experiment")
        self.folder = saving_dir / name

    def split(self, number: int) -> Path:
        """The folder of one fold."""
        return self.folder / f"split_{number}"

    def is_finished(self, number: int) -> bool:
        """Whether a fold is trained and all its files are written."""
        return (self.split(number) / "metrics.json").exists()

    def claimed(self, fold: int | None = None) -> AbstractContextManager[None]:
        """Keep other processes from training the same experiment, or one fold of it.

        Raises:
            ClaimedError: one does already.
        """
        return claim(self.folder if fold is None else self.split(fold))

    def is_claimed(self, fold: int) -> bool:
        """Whether a process trains this fold now."""
        return is_claimed(self.split(fold))

    def check_unchanged(self, config: TrainingConfig, data: TrainingData) -> None:
        """Compare settings and data with those it was begun with, if it was.

        Raises:
            UsageError: says what differs.
        """
        if not (self.folder / "dataset.json").exists():
            return
        if differences := self.differences(config, data):
            raise UsageError(
                f"Experiment {self.name} was begun with other settings; now: "
                f"{'; '.join(differences)}. Choose another --experiment-name."
            )

    def differences(self, config: TrainingConfig, data: TrainingData) -> list[str]:
        """In what settings and data differ from those it was begun with, in words."""
        differences = self.config().differences(config)
        if self.dataset().fingerprint != data.fingerprint:
            differences.append(f"other data than {self.dataset().source} was then")
        return differences

    def begin(self, config: TrainingConfig, data: TrainingData) -> None:
        """Write down settings and data."""
        dataset = DatasetDescription(
            source=data.source,
            kind=data.kind,
            fingerprint=data.fingerprint,
            categories=data.categories,
            concept_uris=data.concept_uris,
            picture_source=data.picture_source,
        )
        write_atomically(self.folder / "conf.json", config.to_json())
        write_atomically(self.folder / "dataset.json", json.dumps(asdict(dataset), indent=2))

    def write_splits(self, data: TrainingData, folds: list[Fold]) -> None:
        """Write which part of which fold each example is in, and what was left out and why."""
        parts = [fold.part_of(len(data.examples)) for fold in folds]
        header = ["example", "category", "picture", *(f"split_{fold.number}" for fold in folds)]
        rows = (
            [example.key, cell_of(target, data.categories), example.path.resolve(), *of_folds]
            for example, target, *of_folds in zip(data.examples, data.targets, *parts, strict=True)
        )
        write_table(self.folder / "splits.csv", [header, *rows])
        left_out = [[each.reason, key] for each in data.left_out for key in each.keys]
        write_table(self.folder / "left_out.csv", [["reason", "example"], *left_out])

    def fold(self, number: int, examples: Sequence[Example]) -> Fold:
        """A fold as it was divided when the experiment was begun.

        Raises:
            ModelError: the table is missing, damaged, or divides other examples than these.
        """
        rows = self._rows("splits.csv", "example", f"split_{number}")
        if [key for key, _ in rows] != [example.key for example in examples]:
            raise ModelError(
                f"{self.folder / 'splits.csv'} divides other pictures than can be read here."
            )
        return Fold.of_parts(number, [part for _, part in rows])

    def pictures(self) -> dict[str, Path]:
        """Where the picture of each example was.

        Raises:
            ModelError: the table is missing or damaged.
        """
        rows = self._rows("splits.csv", "example", "picture")
        return {key: Path(picture) for key, picture in rows}

    def left_out(self) -> list[LeftOut]:
        """What was not trained on.

        Raises:
            ModelError: the table is missing or damaged.
        """
        keys: dict[str, list[str]] = {}
        for reason, key in self._rows("left_out.csv", "reason", "example"):
            keys.setdefault(reason, []).append(key)
        return [LeftOut(reason=reason, keys=tuple(found)) for reason, found in keys.items()]

    def _rows(self, file: str, first: str, second: str) -> list[tuple[str, str]]:
        """Two columns of a table."""
        with _damage(self.folder / file) as path, path.open(newline="", encoding="utf-8") as table:
            return [(row[first], row[second]) for row in csv.DictReader(table)]

    def config(self) -> TrainingConfig:
        """The settings it was begun with."""
        return TrainingConfig.read(self.folder / "conf.json")

    def dataset(self) -> DatasetDescription:
        """The data it was begun with.

        Raises:
            ModelError: the file is missing or damaged.
        """
        with _damage(self.folder / "dataset.json") as path:
            raw = json.loads(path.read_text())
            raw |= {name: tuple(raw[name]) for name in ("categories", "concept_uris")}
            return DatasetDescription(**raw)

    def write_result(self, result: FoldResult) -> None:
        """Write `metrics.json`, which makes the split finished."""
        text = json.dumps(asdict(result) | {"test": result.test.to_json()}, indent=2)
        write_atomically(self.split(result.fold) / "metrics.json", text)

    def result(self, number: int) -> FoldResult:
        """The result of a finished fold.

        Raises:
            ModelError: it is not finished, or damaged.
        """
        with _damage(self.split(number) / "metrics.json") as path:
            raw: dict[str, Any] = json.loads(path.read_text())
            return FoldResult(**raw | {"test": Metrics.from_json(raw["test"])})

    def results(self) -> list[FoldResult]:
        """The results of all folds.

        Raises:
            ModelError: one is not finished, or damaged.
        """
        return [self.result(number) for number in range(self.config().folds)]

    def history(self, number: int) -> list[Epoch]:
        """The epochs of a finished fold.

        Raises:
            ModelError: they are missing or damaged.
        """
        with _damage(self.split(number) / "history.csv") as path:
            return read_history(path)

    def checkpoint(self, result: FoldResult) -> Path:
        """The checkpoint of a finished fold, after comparing its sha256.

        Raises:
            ModelError: it is missing or was changed.
        """
        with _damage(self.split(result.fold) / "checkpoint.pth") as path:
            if hashlib.sha256(path.read_bytes()).hexdigest() != result.checkpoint_sha256:
                raise ValueError("its sha256 is not the one in metrics.json")
        return path

    def write_predictions(
        self, number: int, *, test: Predictions, validation: Predictions, data: TrainingData
    ) -> None:
        """Write what a fold predicts for its test part and its validation part."""
        for name, part in ((_TEST, test), (_VALIDATION, validation)):
            write_predictions(self.split(number) / name, part, data.categories, data.kind)

    def predictions(self, number: int) -> Predictions:
        """The test predictions of a finished fold.

        Raises:
            ModelError: they are missing or damaged.
        """
        with _damage(self.split(number) / _TEST) as path:
            return read_predictions(path)

    def validation_predictions(self, number: int) -> Predictions:
        """The predictions of a finished fold for the pictures that chose its best epoch.

        Raises:
            ModelError: they are missing or damaged.
        """
        with _damage(self.split(number) / _VALIDATION) as path:
            return read_predictions(path)


def checked_name(name: str, *, of: str) -> str:
    """A name that can name a folder.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{name!r} is no name of {of}; use letters, digits, '_', '-' and '.'.")
    return name


@contextmanager
def _damage(path: Path) -> Iterator[Path]:
    try:
        yield path
    except FileNotFoundError:
        raise ModelError(
            f"There is no {path}: the experiment is not finished; train it to the end."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, EnrichmentError) as error:
        raise ModelError(f"{path} is damaged: {error}") from None
