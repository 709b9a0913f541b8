"""Promotion: from an experiment to the model that workers use.

Temperature and thresholds come from out-of-fold predictions: the predicting fold was not trained
on the picture. An ensemble answers with the mean of all folds, and every picture of the data was
in the training of some of them. So its thresholds are those of single folds. Score an ensemble on
new data with `trainer evaluate`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from common.errors import UsageError
from common.vision.bundle import Description
from common.vision.encoders.encoder import ENCODERS, read_encoder
from common.vision.preprocessing import Preprocessing
from common.vision.weights import read_state_dict
from trainer.experiment import Experiment, FoldResult, checked_name
from trainer.models.example_pictures import ExamplePictures, example_pictures
from trainer.models.registry import put_in_service
from trainer.models.store import Promoted
from trainer.report.page import summarise
from trainer.scoring.calibration import at_temperature
from trainer.scoring.predictions import Predictions
from trainer.scoring.thresholds import Effect, choose_thresholds, effects
from trainer.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A promoted model; `effects` are those of its thresholds, by label."""

    model: Promoted
    folder: Path
    description: Description
    effects: dict[str, Effect]
    self_test: int
    """Pictures in its self-test."""


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
    """Make a bundle of one fold or of all folds, and make it the active model.

    Args:
        fold: which fold; None takes the one with the lowest validation loss.

    Raises:
        UsageError: no such experiment or fold, or the precision is out of range.
        ModelError: the experiment is unfinished or damaged; nothing is written then.
    """
    check_precision(precision)
    checked_name(name, of="a model")
    results = _results(experiment)
    chosen = results if ensemble else [_choose(results, fold)]
    trunk = trunk_of(experiment.settings(), model_dir)
    members = [read_state_dict(experiment.checkpoint(result)) for result in chosen]
    predictions = Predictions.joined([experiment.predictions(each.fold) for each in results])
    folds = [result.fold for result in chosen]
    temperature = summarise(experiment).temperature
    description, measured = _describe(experiment, trunk, predictions, folds, temperature, precision)
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
    """Refuse a precision that is out of range.

    Raises:
        UsageError: it is not between 0 and 1; 1 cannot be proved.
    """
    if not 0 < precision < 1:
        raise UsageError("--precision must be more than 0, and less than 1.")


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


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """What is below the heads of a model; `encoder` is its identity if it is an encoder."""

    architecture: str
    preprocessing: Preprocessing
    encoder: str | None = None


def trunk_of(settings: TrainingSettings, model_dir: Path) -> Trunk:
    """The network of a training, or the encoder of its heads.

    Raises:
        ModelError: the encoder's files are missing or were changed.
    """
    if not settings.encoder:
        return Trunk(architecture=settings.architecture, preprocessing=settings.preprocessing)
    encoder = read_encoder(model_dir / ENCODERS, settings.encoder_sha256)
    return Trunk(
        architecture=encoder.network,
        preprocessing=encoder.preprocessing,
        encoder=settings.encoder_sha256,  # as it was when the encoder was added
    )


def _describe(
    experiment: Experiment,
    trunk: Trunk,
    predictions: Predictions,
    folds: list[int],
    temperature: float,
    precision: float,
) -> tuple[Description, dict[str, Effect]]:
    dataset = experiment.dataset()
    probabilities = at_temperature(predictions.probabilities, temperature, dataset.kind)
    uris, targets = dataset.concept_uris, predictions.targets
    thresholds = choose_thresholds(probabilities, targets, uris, precision=precision)
    description = Description(
        architecture=trunk.architecture,
        encoder=trunk.encoder,
        labels=dataset.categories,
        concept_uris=uris,
        preprocessing=trunk.preprocessing,
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
    """Pictures of the data; those of a single fold's self-test were not in its training."""
    where = experiment.pictures()
    tested = Predictions.joined([experiment.predictions(fold) for fold in folds])
    return example_pictures(
        [where[key] for key in predictions.keys],
        predictions.targets,
        preprocessing,
        unseen=np.isin(predictions.keys, tested.keys),
    )
