"""An experiment on disk: what a cross-validation leaves behind, and how it is read again.

EXPERIMENT/
    conf.json, dataset.json, splits.csv      what was asked for, of what, and how it was divided
    split_K/checkpoint.pth                   the weights: a plain state dict
            class_index.json, conf.json      index to label; the settings
            history.csv, predictions.csv     every epoch; every test example
            heatmaps/, *.png                 to look at
            metrics.json                     written last: a split that has it is finished
    summary.json, *.png                      all splits together
"""

import csv
import fcntl
import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import EnrichmentError, ModelError, UsageError
from common.files import write_atomically
from common.vision.model import PictureSource
from trainer.config import TrainingConfig
from trainer.dataset import TrainingData
from trainer.folds import Fold
from trainer.metrics import Labels, Metrics, Probabilities

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PREDICTION_COLUMNS = ("example", "category", "predicted")


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What `dataset.json` keeps of the training data."""

    source: str
    fingerprint: str
    categories: tuple[str, ...]
    concept_uris: tuple[str, ...]
    picture_source: PictureSource


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """What `metrics.json` of a split says; `metrics` are those of the test part."""

    fold: int
    checkpoint_sha256: str
    best_epoch: int
    epochs: int
    validation_loss: float
    test: Metrics


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Of test examples: keys (n,), labels (n,) and probabilities (n, classes)."""

    keys: tuple[str, ...]
    labels: Labels
    probabilities: Probabilities

    @staticmethod
    def joined(parts: "list[Predictions]") -> "Predictions":
        """Those of several folds as one."""
        return Predictions(
            keys=tuple(key for part in parts for key in part.keys),
            labels=np.concatenate([part.labels for part in parts]),
            probabilities=np.concatenate([part.probabilities for part in parts]),
        )


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

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from training the same experiment.

        Raises:
            UsageError: one does already.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / f".{self.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{self.folder} is being trained by another process.") from None
            yield

    def check_unchanged(self, config: TrainingConfig, data: TrainingData) -> None:
        """Compare settings and data with those it was begun with, if it was.

        Raises:
            UsageError: says what differs.
        """
        if not (self.folder / "dataset.json").exists():
            return
        differences = self.config().differences(config)
        if self.dataset().fingerprint != data.fingerprint:
            differences.append(f"other data than {self.dataset().source} was then")
        if differences:
            raise UsageError(
                f"Experiment {self.name} was begun with other settings; now: "
                f"{'; '.join(differences)}. Choose another --experiment-name."
            )

    def begin(self, config: TrainingConfig, data: TrainingData) -> None:
        """Write down settings and data."""
        dataset = DatasetSummary(
            source=data.source,
            fingerprint=data.fingerprint,
            categories=data.categories,
            concept_uris=data.concept_uris,
            picture_source=data.picture_source,
        )
        write_atomically(self.folder / "conf.json", config.to_json())
        write_atomically(self.folder / "dataset.json", json.dumps(asdict(dataset), indent=2))

    def write_splits(self, data: TrainingData, folds: list[Fold]) -> None:
        """Write which part of which fold each example is in."""
        parts = [fold.part_of(len(data.examples)) for fold in folds]
        header = ["example", "category", *(f"split_{fold.number}" for fold in folds)]
        rows = (
            [example.key, data.categories[example.label], *of_folds]
            for example, *of_folds in zip(data.examples, *parts, strict=True)
        )
        write_table(self.folder / "splits.csv", [header, *rows])

    def config(self) -> TrainingConfig:
        """The settings it was begun with."""
        return TrainingConfig.read(self.folder / "conf.json")

    def dataset(self) -> DatasetSummary:
        """The data it was begun with.

        Raises:
            ModelError: the file is missing or damaged.
        """
        with _damage(self.folder / "dataset.json") as path:
            raw = json.loads(path.read_text())
            raw |= {name: tuple(raw[name]) for name in ("categories", "concept_uris")}
            return DatasetSummary(**raw)

    def write_result(self, result: FoldResult) -> None:
        """Write `metrics.json`, which makes the split finished."""
        text = json.dumps(asdict(result), indent=2)
        write_atomically(self.split(result.fold) / "metrics.json", text)

    def result(self, number: int) -> FoldResult:
        """The result of a finished fold.

        Raises:
            ModelError: it is not finished, or damaged.
        """
        with _damage(self.split(number) / "metrics.json") as path:
            raw: dict[str, Any] = json.loads(path.read_text())
            return FoldResult(**raw | {"test": Metrics.from_json(raw["test"])})

    def checkpoint(self, result: FoldResult) -> Path:
        """The checkpoint of a finished fold, after comparing its sha256.

        Raises:
            ModelError: it is missing or was changed.
        """
        with _damage(self.split(result.fold) / "checkpoint.pth") as path:
            if hashlib.sha256(path.read_bytes()).hexdigest() != result.checkpoint_sha256:
                raise ValueError("its sha256 is not the one in metrics.json")
        return path

    def write_predictions(self, number: int, predictions: Predictions, data: TrainingData) -> None:
        """Write `predictions.csv` of a fold."""
        rows = (
            [key, data.categories[label], data.categories[row.argmax()], *map(repr, row.tolist())]
            for key, label, row in zip(
                predictions.keys, predictions.labels, predictions.probabilities, strict=True
            )
        )
        header = [*_PREDICTION_COLUMNS, *data.categories]
        write_table(self.split(number) / "predictions.csv", [header, *rows])

    def predictions(self, number: int) -> Predictions:
        """The test predictions of a finished fold.

        Raises:
            ModelError: they are missing or damaged.
        """
        skipped = len(_PREDICTION_COLUMNS)
        with (
            _damage(self.split(number) / "predictions.csv") as path,
            path.open(newline="") as file,
        ):
            header, *rows = csv.reader(file)
            index = {category: i for i, category in enumerate(header[skipped:])}
            return Predictions(
                keys=tuple(row[0] for row in rows),
                labels=np.array([index[row[1]] for row in rows], dtype=np.int64),
                probabilities=np.array([row[skipped:] for row in rows], dtype=np.float32),
            )


def checked_name(name: str, *, of: str) -> str:
    """A name that can name a folder.

    Raises:
        UsageError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of {of}; use letters, digits, '_', '-' and '.'.")
    return name


def write_table(path: Path, rows: list[list[Any]]) -> None:
    """Write rows as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    write_atomically(path, buffer.getvalue())


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
