"""An experiment on disk: the files of a cross-validation, written and read.

EXPERIMENT/
    conf.json, dataset.json                  the settings, and a description of the data
    splits.csv, left_out.csv                 the fold assignment; what was left out, and why
    near_duplicates.csv                      which pictures are nearly the same
    split_K/checkpoint.pth                   the weights: a plain state dict
            class_index.json, conf.json      index to label; the settings history.csv, tensorboard/
            every epoch of a network strengths.csv, dropped.csv       of a head: strengths tried,
            doubtful labels left out predictions.csv                  every test example
            evidence.safetensors             what a promotion also needs validation_predictions.csv
            every validation example with a prediction heatmaps/, *.png                 pictures and
            plots metrics.json                     written last: a fold that has it is finished
    left_out/split_K/predictions.csv         heads tested on providers that they did not learn from
    summary.json, *.png, doubtful_labels.csv all folds together report.html
    the report of all results
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from common.errors import UsageError
from common.files import open_regular, read_regular, write_atomically
from common.vision.answers.familiar_pictures import FamiliarPictures
from trainer.claims import ClaimedError, claimed
from trainer.data.dataset import DatasetDescription, Example, LeftOut, TrainingData
from trainer.data.split import Fold
from trainer.data.split_table import (
    read_fold,
    read_known,
    read_paths,
    read_provider_of,
    read_providers,
    write_splits,
)
from trainer.data.tables import parsing, read_columns, read_records, write_table
from trainer.learning.strength import Trial
from trainer.learning.training_state import Epoch
from trainer.scoring.metrics import Metrics
from trainer.scoring.predictions import Predictions, read_predictions, write_predictions
from trainer.settings import MAX_JSON, TrainingSettings, checked_name

TEST = "predictions.csv"
LEFT_OUT = "left_out"
_VALIDATION = "validation_predictions.csv"
_HISTORY = TypeAdapter(list[Epoch])
_TRIALS = TypeAdapter(list[Trial])


class FoldResult(BaseModel):
    """The content of a fold's `metrics.json`; `test` are the metrics of the test part.

    A network has epochs. A head has none, but a strength of the regularisation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fold: int
    checkpoint_sha256: str
    best_epoch: int = 0
    epochs: int = 0
    strength: float | None = None
    validation_loss: float
    test: Metrics


class Experiment:
    """One cross-validation, in its folder below `saving_dir`.

    Methods that read a file raise ModelError if it is missing or damaged.
    """

    def __init__(self, saving_dir: Path, name: str) -> None:
        self.name = checked_name(name, of="an experiment")
        self.folder = saving_dir / name

    def split(self, number: int) -> Path:
        return self.folder / f"split_{number}"

    def is_finished(self, number: int) -> bool:
        return (self.split(number) / "metrics.json").exists()

    def claimed(self, fold: int | None = None) -> AbstractContextManager[None]:
        """Keep other processes from training the same experiment, or one fold of it.

        Raises:
            ClaimedError: another process trains it.
            EnrichmentError: the file system refuses the lock.
        """
        return claimed(self.folder if fold is None else self.split(fold))

    def is_claimed(self, fold: int) -> bool:
        """Whether a process trains this fold now.

        Raises:
            EnrichmentError: the file system refuses the lock.
        """
        try:
            with self.claimed(fold):
                return False
        except ClaimedError:
            return True

    def check_unchanged(self, settings: TrainingSettings, data: TrainingData) -> None:
        """Compare settings and data with those of the experiment, if it has begun.

        Raises:
            UsageError: names the differences.
        """
        if not (self.folder / "dataset.json").exists():
            return
        if differences := self.differences(settings, data):
            raise UsageError(
                f"Experiment {self.name} began with other settings or data. The differences now: "
                f"{'; '.join(differences)}. Choose another --experiment-name."
            )

    def differences(self, settings: TrainingSettings, data: TrainingData) -> list[str]:
        differences = self.settings().differences(settings)
        if self.dataset().fingerprint != data.fingerprint:
            differences.append(f"the data of {self.dataset().source} were different then")
        return differences

    def begin(self, settings: TrainingSettings, data: TrainingData) -> None:
        dataset = DatasetDescription.model_validate(data, from_attributes=True)
        write_atomically(self.folder / "conf.json", settings.to_json())
        write_atomically(self.folder / "dataset.json", dataset.model_dump_json(indent=2))

    def write_splits(self, data: TrainingData, folds: list[Fold]) -> None:
        write_splits(self.splits, data, folds)
        left_out = [[each.reason, key] for each in data.left_out for key in each.keys]
        write_table(self.folder / "left_out.csv", [["reason", "example"], *left_out])

    @property
    def splits(self) -> Path:
        """The table of the fold assignment; `split_table` reads it."""
        return self.folder / "splits.csv"

    def fold(self, number: int, examples: Sequence[Example]) -> Fold:
        """The fold assignment that was written when the experiment began."""
        return read_fold(self.splits, number, examples)

    def pictures(self) -> dict[str, Path]:
        return read_paths(self.splits)

    def providers(self, folds: Sequence[int]) -> dict[str, int]:
        """The data providers that these folds learned from, with their numbers of pictures."""
        return read_providers(self.splits, folds)

    def provider_of(self) -> dict[str, str]:
        return read_provider_of(self.splits)

    def known_pictures(self) -> FamiliarPictures:
        return read_known(self.splits)

    def left_out(self) -> list[LeftOut]:
        keys: dict[str, list[str]] = {}
        for reason, key in read_columns(self.folder / "left_out.csv", "reason", "example"):
            keys.setdefault(reason, []).append(key)
        return [LeftOut(reason=reason, keys=tuple(found)) for reason, found in keys.items()]

    def settings(self) -> TrainingSettings:
        return TrainingSettings.read(self.folder / "conf.json")

    def dataset(self) -> DatasetDescription:
        with parsing(self.folder / "dataset.json") as path:
            return DatasetDescription.model_validate_json(read_regular(path, at_most=MAX_JSON))

    def write_result(self, result: FoldResult) -> None:
        """Write `metrics.json`, which marks the fold as finished."""
        path = self.split(result.fold) / "metrics.json"
        write_atomically(path, result.model_dump_json(indent=2))

    def result(self, number: int) -> FoldResult:
        with parsing(self.split(number) / "metrics.json") as path:
            return FoldResult.model_validate_json(read_regular(path, at_most=MAX_JSON))

    def results(self) -> list[FoldResult]:
        return [self.result(number) for number in range(self.settings().folds)]

    def history(self, number: int) -> list[Epoch]:
        with parsing(self.split(number) / "history.csv") as path:
            return _HISTORY.validate_python(read_records(path))

    def trials(self, number: int) -> list[Trial]:
        """The strengths that were tried for the head of a finished fold."""
        with parsing(self.split(number) / "strengths.csv") as path:
            return _TRIALS.validate_python(read_records(path))

    def dropped(self, number: int) -> list[str]:
        """The examples with doubtful labels from which the head of a fold did not learn."""
        with parsing(self.split(number) / "dropped.csv") as path:
            return [row["example"] for row in read_records(path)]

    def checkpoint(self, result: FoldResult) -> Path:
        """The path of a finished fold's checkpoint, whose sha256 is checked."""
        with parsing(self.split(result.fold) / "checkpoint.pth") as path:
            with open_regular(path) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != result.checkpoint_sha256:
                raise ValueError("its sha256 is not the one in metrics.json")
        return path

    def write_predictions(
        self, number: int, *, test: Predictions, validation: Predictions, data: TrainingData
    ) -> None:
        for name, part in ((TEST, test), (_VALIDATION, validation)):
            write_predictions(self.split(number) / name, part, data.categories, data.kind)

    def predictions(self, number: int) -> Predictions:
        with parsing(self.split(number) / TEST) as path:
            return read_predictions(path)

    def left_out_split(self, number: int) -> Path:
        """The folder of a fold that leaves data providers out."""
        return self.folder / LEFT_OUT / f"split_{number}"

    def left_out_predictions(self) -> list[Predictions]:
        """The test predictions of the folds in `left_out`; empty if there are none."""
        found = []
        for each in sorted((self.folder / LEFT_OUT).glob(f"split_*/{TEST}")):
            with parsing(each) as path:
                found.append(read_predictions(path))
        return found

    def validation_predictions(self, number: int) -> Predictions:
        with parsing(self.split(number) / _VALIDATION) as path:
            return read_predictions(path)
