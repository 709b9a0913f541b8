"""Promotion: from an experiment to the model that workers use.

Temperature and thresholds come from predictions for pictures that the predicting fold had not seen.
An ensemble answers with the mean of all folds, and no picture of the training is unseen by all of
them: its thresholds are those of single folds. Score it on new data with `trainer evaluate`.

Some pictures travel in the bundle. One part tests the model wherever it is loaded, the other part
calibrates int8 runtimes. No picture is in both, or the calibration would judge itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sqlalchemy import Engine

from common.errors import UsageError
from common.vision.model import Description
from common.vision.network import read_state_dict
from common.vision.preprocessing import Preprocessing
from trainer.experiment import Experiment, FoldResult, checked_name
from trainer.models.registry import put_in_service
from trainer.models.store import Promoted
from trainer.report.page import summarise
from trainer.scoring.calibration import at_temperature
from trainer.scoring.evaluate import read_pictures
from trainer.scoring.predictions import Predictions
from trainer.scoring.thresholds import Effect, choose_thresholds, effects

SELF_TEST_PICTURES = 512  # at most
CALIBRATION_PICTURES = 128  # at most, and a fifth of what there is
EXAMPLE_BYTES = 40 << 20  # of both, at most: all of them up to 147 pixels, 278 of 224


@dataclass(frozen=True, kw_only=True)
class ExamplePictures:
    """uint8 (n, 3, size, size), in no order: the first few are of all categories too."""

    self_test: torch.Tensor
    calibration: torch.Tensor


def no_pictures(preprocessing: Preprocessing) -> ExamplePictures:
    """Of a model without data."""
    none = read_pictures([], preprocessing)
    return ExamplePictures(self_test=none, calibration=none)


def example_pictures(
    paths: Sequence[Path],
    targets: NDArray[np.bool_],
    preprocessing: Preprocessing,
    *,
    unseen: NDArray[np.bool_],
) -> ExamplePictures:
    """Some pictures of all categories for each part, as far as their files can be read.

    Args:
        paths: of all examples.
        targets: which example (row) has which category (column).
        unseen: which examples may be in the self-test: those that the model was not trained on, if
            there are any. Of what it was trained on it is surer than of other pictures.
    """
    fitting = EXAMPLE_BYTES // (3 * preprocessing.size**2)
    most = min(fitting, SELF_TEST_PICTURES + CALIBRATION_PICTURES, len(targets))
    calibrating = min(most // 5, CALIBRATION_PICTURES)
    self_test = _spread(targets, np.flatnonzero(unseen), most - calibrating)
    others = np.setdiff1d(np.arange(len(targets)), self_test)
    calibration = _spread(targets, others, calibrating)
    return ExamplePictures(
        self_test=read_pictures([paths[i] for i in self_test], preprocessing),
        calibration=read_pictures([paths[i] for i in calibration], preprocessing),
    )


def _spread(targets: NDArray[np.bool_], choice: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """So many of the choice, or all of it."""
    by_category = choice[np.argsort(targets[choice].argmax(axis=1), kind="stable")]
    places = np.linspace(0, len(choice) - 1, min(count, len(choice))).round().astype(np.int64)
    return np.random.default_rng(0).permutation(by_category[places])


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What was promoted; `effects` are those of its thresholds on the out-of-fold predictions."""

    model: Promoted
    folder: Path
    description: Description
    effects: dict[str, Effect]
    self_test: int
    """How many pictures it is tried on wherever it is loaded."""


def promote(
    experiment: Experiment,
    *,
    fold: int | None,
    ensemble: bool,
    name: str,
    precision: float,
    model_dir: Path,
    engine: Engine,
) -> Promotion:
    """Make a bundle of one fold (the best by validation loss unless given) or of all of them,
    and make it the active model.

    Raises:
        UsageError: no such experiment or fold, or a precision that is none.
        ModelError: the experiment is unfinished or damaged; nothing is written then.
    """
    check_precision(precision)
    checked_name(name, of="a model")
    results = _results(experiment)
    chosen = results if ensemble else [_choose(results, fold)]
    members = [read_state_dict(experiment.checkpoint(result)) for result in chosen]
    predictions = Predictions.joined([experiment.predictions(each.fold) for each in results])
    folds = [result.fold for result in chosen]
    temperature = summarise(experiment).temperature
    description, measured = _describe(experiment, predictions, folds, temperature, precision)
    pictures = _examples(experiment, predictions, folds, description.preprocessing)
    model = put_in_service(
        engine, model_dir, description, members, pictures=pictures, name=name, active=True
    )
    return Promotion(
        model=model,
        folder=model_dir / model.path,
        description=description,
        effects=measured,
        self_test=len(pictures.self_test),
    )


def check_precision(precision: float) -> None:
    """Refuse what cannot be promised.

    Raises:
        UsageError: it is no precision, or one that is never reached.
    """
    if not 0 < precision < 1:
        raise UsageError(f"The precision is {precision}, not between 0 and 1.")


def _results(experiment: Experiment) -> list[FoldResult]:
    if not experiment.folder.is_dir():
        siblings = sorted(path.parent.name for path in experiment.folder.parent.glob("*/conf.json"))
        there_are = f"there are: {', '.join(siblings)}" if siblings else "there is none"
        raise UsageError(f"There is no experiment {experiment.folder}; {there_are}.")
    return experiment.results()


def _choose(results: list[FoldResult], fold: int | None) -> FoldResult:
    if fold is None:
        return min(results, key=lambda result: result.validation_loss)
    if not 0 <= fold < len(results):
        raise UsageError(f"There is no fold {fold}; there are 0 to {len(results) - 1}.")
    return results[fold]


def _describe(
    experiment: Experiment,
    predictions: Predictions,
    folds: list[int],
    temperature: float,
    precision: float,
) -> tuple[Description, dict[str, Effect]]:
    config, dataset = experiment.config(), experiment.dataset()
    probabilities = at_temperature(predictions.probabilities, temperature, dataset.kind)
    uris, targets = dataset.concept_uris, predictions.targets
    thresholds = choose_thresholds(probabilities, targets, uris, precision=precision)
    description = Description(
        architecture=config.architecture,
        labels=dataset.categories,
        concept_uris=uris,
        preprocessing=config.preprocessing,
        kind=dataset.kind,
        temperature=temperature,
        thresholds=thresholds,
        picture_source=dataset.picture_source,
        created_from={
            "experiment": experiment.name,
            "folds": folds,
            "data": dataset.source,
            "dataset_fingerprint": dataset.fingerprint,
            "precision": precision,
        },
    )
    return description, effects(description, probabilities, targets)


def _examples(
    experiment: Experiment,
    predictions: Predictions,
    folds: list[int],
    preprocessing: Preprocessing,
) -> ExamplePictures:
    """Pictures of the training; for the self-test of a single fold those that it has not seen."""
    where = experiment.pictures()
    tested = Predictions.joined([experiment.predictions(fold) for fold in folds])
    return example_pictures(
        [where[key] for key in predictions.keys],
        predictions.targets,
        preprocessing,
        unseen=np.isin(predictions.keys, tested.keys),
    )
