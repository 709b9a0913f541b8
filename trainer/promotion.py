"""Promotion: from an experiment to the model that workers use."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table
from sqlalchemy import Engine

from common.errors import EnrichmentError, ModelError, UsageError
from common.vision.classifier import StateDict, read_state_dict
from common.vision.model import Description, load_bundle, save_bundle
from trainer.experiment import Experiment, FoldResult, Predictions, checked_name
from trainer.store import ModelRow, Promoted, activate
from trainer.thresholds import choose_threshold


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What was promoted, and what its thresholds do on the out-of-fold predictions."""

    model: Promoted
    folder: Path
    folds: tuple[int, ...]
    description: Description
    predictions: Predictions


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
    if not 0 < precision < 1:
        raise UsageError(f"The precision is {precision}, not between 0 and 1.")
    checked_name(name, of="a model")
    results = _results(experiment)
    chosen = results if ensemble else [_choose(results, fold)]
    members = [read_state_dict(experiment.checkpoint(result)) for result in chosen]
    predictions = Predictions.joined([experiment.predictions(each.fold) for each in results])
    folds = tuple(result.fold for result in chosen)
    description = _describe(experiment, predictions, folds, precision)
    with _bundle(model_dir, description, members) as (bundle, sha256):
        row = _row(name, sha256, description, experiment)
        model = activate(engine, row, lambda path: _put(bundle, model_dir / path, sha256))
    return Promotion(
        model=model,
        folder=model_dir / model.path,
        folds=folds,
        description=description,
        predictions=predictions,
    )


def threshold_table(promotion: Promotion) -> Table:
    """What each concept's threshold does on the out-of-fold predictions."""
    table = Table(title="Thresholds, by out-of-fold predictions", box=box.SIMPLE)
    table.add_column("category")
    for column in ("written from", "precision", "found", "of examples"):
        table.add_column(column, justify="right")
    predictions, description = promotion.predictions, promotion.description
    for index, (label, uri) in enumerate(
        zip(description.labels, description.concept_uris, strict=True)
    ):
        threshold = description.thresholds[uri]
        is_right = predictions.labels == index
        if threshold is None:
            table.add_row(label, "off", "", "", f"{is_right.sum():,}", style="yellow")
            continue
        written = predictions.probabilities[:, index] >= threshold
        precision, found = is_right[written].mean(), written[is_right].mean()
        numbers = (f"{threshold:.3f}", f"{precision:.3f}", f"{found:.0%}", f"{is_right.sum():,}")
        table.add_row(label, *numbers)
    return table


def _results(experiment: Experiment) -> list[FoldResult]:
    if not experiment.folder.is_dir():
        siblings = sorted(path.parent.name for path in experiment.folder.parent.glob("*/conf.json"))
        there_are = f"there are: {', '.join(siblings)}" if siblings else "there is none"
        raise UsageError(f"There is no experiment {experiment.folder}; {there_are}.")
    return [experiment.result(number) for number in range(experiment.config().folds)]


def _choose(results: list[FoldResult], fold: int | None) -> FoldResult:
    if fold is None:
        return min(results, key=lambda result: result.validation_loss)
    if not 0 <= fold < len(results):
        raise UsageError(f"There is no fold {fold}; there are 0 to {len(results) - 1}.")
    return results[fold]


def _describe(
    experiment: Experiment, predictions: Predictions, folds: tuple[int, ...], precision: float
) -> Description:
    config, dataset = experiment.config(), experiment.dataset()
    thresholds = {
        uri: choose_threshold(
            predictions.probabilities[:, index], predictions.labels == index, precision=precision
        )
        for index, uri in enumerate(dataset.concept_uris)
    }
    return Description(
        architecture=config.architecture,
        labels=dataset.categories,
        concept_uris=dataset.concept_uris,
        preprocessing=config.preprocessing,
        kind="single",
        temperature=1.0,
        thresholds=thresholds,
        picture_source=dataset.picture_source,
        created_from={
            "experiment": experiment.name,
            "folds": list(folds),
            "data": dataset.source,
            "dataset_fingerprint": dataset.fingerprint,
            "precision": precision,
        },
    )


def _row(name: str, sha256: str, description: Description, experiment: Experiment) -> ModelRow:
    return ModelRow(
        name=name,
        sha256=sha256,
        concepts=dict(zip(description.concept_uris, description.labels, strict=True)),
        thresholds={uri: t for uri, t in description.thresholds.items() if t is not None},
        fingerprint=experiment.dataset().fingerprint,
        run=experiment.name,
    )


@contextmanager
def _bundle(
    model_dir: Path, description: Description, members: list[StateDict]
) -> Iterator[tuple[Path, str]]:
    """The bundle in a scratch folder, known to load, and its sha256."""
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".promoting-", dir=model_dir) as scratch:
            folder = Path(scratch) / "bundle"
            sha256 = save_bundle(folder, description, members)
            load_bundle(folder, sha256)
            yield folder, sha256
    except OSError as error:
        raise EnrichmentError(f"{model_dir} cannot be written to: {error.strerror}.") from None


def _put(bundle: Path, target: Path, sha256: str) -> None:
    """Move the bundle to its place, unless it is there; what lies there else was never promoted."""
    try:
        load_bundle(target, sha256)
    except ModelError:
        shutil.rmtree(target, ignore_errors=True)
        bundle.rename(target)
