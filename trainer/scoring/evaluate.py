"""Evaluation: score a model on labelled pictures that it was not trained on.

It needs little memory for any number of files: threads decode while batches are classified.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch

from common.errors import DatasetError, RecordError
from common.files import read_regular
from common.pictures.decoders import FILE_BYTES, Decoders
from common.process.terminal.progress import progress
from common.vision.answers.answering import Answers
from common.vision.answers.familiar_pictures import FamiliarPictures
from common.vision.bundle import Description
from common.vision.preprocessing import Preprocessing
from trainer.data.cache import without_unreadable
from trainer.data.dataset import READERS, TrainingData
from trainer.scoring.calibration import calibration
from trainer.scoring.evaluation import ModelScores
from trainer.scoring.metrics import measure
from trainer.scoring.predictions import Targets
from trainer.scoring.promise_check import CheckedPromise
from trainer.scoring.thresholds import effects

AHEAD = 2  # batches decoded ahead of the one that is classified
Prediction = TypeVar("Prediction")


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Readable:
    """A picture as the classifier sees it: uint8 (3, size, size)."""

    path: Path
    picture: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Classified(Readable, Generic[Prediction]):
    prediction: Prediction


def classify(
    paths: Sequence[Path],
    preprocessing: Preprocessing,
    compute: Callable[[torch.Tensor], Iterable[Prediction]],
    *,
    batch_size: int,
) -> Iterator[Classified[Prediction] | Unreadable]:
    """Classify files, in their order. Yields unreadable files with the reason.

    Args:
        compute: takes uint8 pictures (n, 3, size, size), gives the prediction for each.
    """
    for batch in _batches(paths, preprocessing, batch_size):
        pictures = [each.picture for each in batch if isinstance(each, Readable)]
        predicted = iter(compute(torch.stack(pictures)) if pictures else ())
        for each in batch:
            if isinstance(each, Unreadable):
                yield each
            else:
                yield Classified(path=each.path, picture=each.picture, prediction=next(predicted))


def read_pictures(paths: Sequence[Path], preprocessing: Preprocessing) -> torch.Tensor:
    """The pictures of all readable files, uint8 (n, 3, size, size), in memory."""
    size = preprocessing.size
    pictures = [each.picture for each in read_files(paths, preprocessing)]
    empty = torch.zeros((0, 3, size, size), dtype=torch.uint8)
    return torch.stack(pictures) if pictures else empty


def read_files(paths: Sequence[Path], preprocessing: Preprocessing) -> list[Readable]:
    read = (each for batch in _batches(paths, preprocessing, READERS) for each in batch)
    return [each for each in read if isinstance(each, Readable)]


def _batches(
    paths: Sequence[Path], preprocessing: Preprocessing, batch_size: int
) -> Iterator[list[Readable | Unreadable]]:
    waiting: deque[list[Future[Readable | Unreadable]]] = deque()
    with Decoders() as decoders, ThreadPoolExecutor(READERS) as pool:
        read = partial(_read, preprocessing=preprocessing, decoders=decoders)
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            waiting.append([pool.submit(read, path) for path in batch])
            if len(waiting) > AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]


def _read(path: Path, preprocessing: Preprocessing, decoders: Decoders) -> Readable | Unreadable:
    try:
        content = read_regular(path, at_most=FILE_BYTES)
        picture = decoders.pixels(content, preprocessing.square, preprocessing.from_pixels)
    except OSError as error:
        return Unreadable(path=path, reason=(error.strerror or str(error)).lower())
    except RecordError as error:
        return Unreadable(path=path, reason=str(error))
    return Readable(path=path, picture=picture)


@dataclass(frozen=True, kw_only=True)
class ClassifiedData(Generic[Prediction]):
    """The readable part of some data, and the predictions for its pictures.

    `targets` are (n, classes), in the order of the model's outputs.
    """

    data: TrainingData
    targets: Targets
    predictions: list[Prediction]


def evaluate(
    description: Description,
    data: TrainingData,
    compute: Callable[[torch.Tensor], Answers],
    *,
    batch_size: int,
    title: str,
    known: FamiliarPictures | None,
) -> ModelScores:
    """Score a model on all readable pictures of the data.

    Args:
        known: the pictures that the model was trained on or measured by; None if they are unknown.

    Raises:
        DatasetError: the model lacks a category of the data, or no picture can be read.
    """
    found = classify_data(description, data, compute, batch_size=batch_size)
    targets, answers, readable = found.targets, Answers.of(found.predictions), found.data
    probabilities, written = answers.probabilities, answers.written
    measured, promise = effects(description, written, targets), description.promise
    return ModelScores(
        model=title,
        data=data.source,
        examples=len(targets),
        known=None if known is None else len(readable.known_to(known)),
        left_out={part.reason: part.keys for part in readable.left_out},
        metrics=measure(targets, probabilities, description.labels, description.kind),
        calibration=calibration(probabilities, targets, description.kind),
        thresholds=measured,
        written_precision=float(targets[written].mean()) if written.any() else np.nan,
        pictures_written=int(written.any(axis=1).sum()),
        unlike=int(answers.unlike.sum()),
        promise=CheckedPromise.of(promise, measured, readable.providers) if promise else None,
    )


def classify_data(
    description: Description,
    data: TrainingData,
    compute: Callable[[torch.Tensor], Iterable[Prediction]],
    *,
    batch_size: int,
) -> ClassifiedData[Prediction]:
    """Classify all pictures of the data.

    Raises:
        DatasetError: the model lacks a category of the data, or no picture can be read.
    """
    columns = _columns(description, data)
    paths = [example.path for example in data.examples]
    predictions: list[Prediction] = []
    unreadable: dict[str, str] = {}
    with progress("Classifying", len(paths)) as report:
        found = classify(paths, description.preprocessing, compute, batch_size=batch_size)
        for example, each in zip(data.examples, found, strict=True):
            report.advance()
            if isinstance(each, Classified):
                predictions.append(each.prediction)
            else:
                unreadable[example.key] = each.reason
    if not predictions:
        raise DatasetError(f"No picture of {data.source} can be read.")
    readable = without_unreadable(data, unreadable)
    targets = np.zeros((len(predictions), len(description.labels)), dtype=np.bool_)
    targets[:, columns] = readable.targets
    return ClassifiedData(data=readable, targets=targets, predictions=predictions)


def _columns(description: Description, data: TrainingData) -> list[int]:
    """The position of the model's output with the same concept, for each category of the data."""
    position = {uri: index for index, uri in enumerate(description.concept_uris)}
    pairs = list(zip(data.categories, data.concept_uris, strict=True))
    unknown = [f"{label} ({uri})" for label, uri in pairs if uri not in position]
    if unknown:
        raise DatasetError(
            f"{data.source} has categories that the model does not have: "
            f"{', '.join(unknown)}. The model has {', '.join(description.labels)}. Leave the "
            "other categories out."
        )
    return [position[uri] for uri in data.concept_uris]
