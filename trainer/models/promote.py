"""Promotion: from an experiment to a model that can be put in service.

Temperature, thresholds and the limit of abstention come from predictions for pictures that the
model had not seen (`judged`). The same kind of model is measured and promoted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sqlalchemy import Engine
from torch import nn

from common.errors import ModelError, UsageError
from common.vision.answers.familiar_pictures import FamiliarPictures
from common.vision.answers.rule import Rule
from common.vision.bundle import Description
from common.vision.encoders.description import ENCODERS, read_encoder
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.weights import StateDict, read_state_dict
from trainer.data.dataset import TrainingData
from trainer.experiment import Experiment, FoldResult
from trainer.models.example_pictures import example_pictures
from trainer.models.judged import JudgedPredictions, judged_by_new_pictures, judged_by_own_pictures
from trainer.models.proposal import Proposal, Terms, measured_on, propose_judged
from trainer.models.registry import put_in_service
from trainer.models.store import VOCABULARY, Promoted
from trainer.scoring.predictions import Predictions, asserted
from trainer.settings import TrainingSettings


def propose(
    experiment: Experiment,
    terms: Terms,
    *,
    fold: int | None,
    ensemble: bool,
    judged_on: TrainingData | None,
    model_dir: Path,
) -> Proposal:
    """The model of one fold or of all folds.

    Args:
        fold: which fold; None takes the one with the lowest validation loss.
        judged_on: labelled pictures that no fold has seen, for an ensemble of networks.

    Raises:
        UsageError: there is no such experiment or fold, or `judged_on` is missing or not needed.
        ModelError: the experiment is unfinished or damaged.
        DatasetError: no picture of `judged_on` can be read.
    """
    results = _results(experiment)
    settings = experiment.settings()
    if settings.encoder and settings.group_by == "provider":
        raise ModelError(
            f"An older version trained {experiment.name}. It tested heads only on left-out "
            "providers, but a promise is measured on known providers. Train again under "
            "another --experiment-name. This takes seconds, because the embeddings are saved."
        )
    chosen = results if ensemble else [_choose(results, fold)]
    _check_judged_on(judged_on, is_needed=ensemble and not settings.encoder)
    members = [read_state_dict(experiment.checkpoint(result)) for result in chosen]
    trunk = trunk_of(settings, model_dir)
    blank = blank_description(experiment, trunk, [each.fold for each in chosen], terms)
    judged = _judge(experiment, blank, members, terms, judged_on)
    if judged_on is not None:
        blank = replace(blank, created_from=blank.created_from | {"judged_on": judged_on.source})
    self_test = _self_test(experiment, [each.fold for each in chosen], blank.preprocessing)
    own = experiment.providers([each.fold for each in chosen])
    return propose_judged(
        blank,
        members,
        judged,
        terms,
        self_test,
        known=_known(experiment, judged_on),
        providers=own if judged_on is None else judged_on.providers,
        measured_on=measured_on(settings) if judged_on is None else "other pictures",
    )


def _judge(
    experiment: Experiment,
    blank: Description,
    members: list[StateDict],
    terms: Terms,
    judged_on: TrainingData | None,
) -> JudgedPredictions:
    if judged_on is not None:
        networks = _networks(blank, members)
        return judged_by_new_pictures(
            experiment, networks, blank, judged_on, abstains=terms.abstains
        )
    folds: list[int] = blank.created_from["folds"]
    return judged_by_own_pictures(experiment, folds, abstains=terms.abstains)


def _known(experiment: Experiment, judged_on: TrainingData | None) -> FamiliarPictures:
    learned = experiment.known_pictures()
    return learned if judged_on is None else learned.joined(judged_on.as_known())


def promote(
    proposal: Proposal, *, name: str, model_dir: Path, engine: Engine, active: bool = False
) -> Promoted:
    """Write the bundle of a proposal and add it to the models of the store.

    Args:
        active: whether it is put in service for all records.

    Raises:
        ModelError: the weights do not fit the description; then the model is not saved.
        EnrichmentError: the disk is full or cannot be written to.
    """
    return put_in_service(
        engine,
        model_dir,
        proposal.description,
        proposal.members,
        self_test=proposal.self_test,
        likeness=proposal.likeness,
        known=proposal.known,
        name=name,
        active=active,
    )


def _check_judged_on(judged_on: TrainingData | None, *, is_needed: bool) -> None:
    if is_needed and judged_on is None:
        raise UsageError(
            "Most networks of this ensemble learned from each training picture. To measure a "
            "promise, give labelled pictures that no network has seen: --dataset NAME or "
            "--data-dir FOLDER. Or promote the best fold: leave out --ensemble."
        )
    if judged_on is not None and not is_needed:
        raise UsageError(
            "--dataset and --data-dir are only for ensembles of networks. Leave out these "
            "options. This model is measured on its training pictures, in folds that had not "
            "seen them."
        )


def _results(experiment: Experiment) -> list[FoldResult]:
    if not experiment.folder.is_dir():
        siblings = sorted(path.parent.name for path in experiment.folder.parent.glob("*/conf.json"))
        there_are = f"there are: {', '.join(siblings)}" if siblings else "there is none"
        raise UsageError(f"There is no experiment {experiment.folder}; {there_are}.")
    return experiment.results()


def _choose(results: list[FoldResult], fold: int | None) -> FoldResult:
    if fold is None:
        return best_fold(results)
    if not 0 <= fold < len(results):
        raise UsageError(f"There is no fold {fold}. The folds are 0 to {len(results) - 1}.")
    return results[fold]


def best_fold(results: Sequence[FoldResult]) -> FoldResult:
    return min(results, key=lambda result: result.validation_loss)


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """The network below the heads of a model; if it is an encoder, `encoder` is its identity."""

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
        encoder=settings.encoder_sha256,  # its identity when the encoder was added
    )


def blank_description(
    experiment: Experiment, trunk: Trunk, folds: list[int], terms: Terms
) -> Description:
    dataset = experiment.dataset()
    return Description(
        architecture=trunk.architecture,
        encoder=trunk.encoder,
        labels=dataset.categories,
        concept_uris=dataset.concept_uris,
        preprocessing=trunk.preprocessing,
        kind=dataset.kind,
        temperature=1.0,
        thresholds=dict.fromkeys(dataset.concept_uris),
        rule=Rule.of(dataset.kind, terms.floor),
        picture_source=dataset.picture_source,
        created_from={
            "experiment": experiment.name,
            "folds": folds,
            "data": dataset.source,
            "dataset_fingerprint": dataset.fingerprint,
            **({VOCABULARY: dataset.vocabulary} if dataset.vocabulary else {}),
            **_on_new_providers(experiment),
        },
    )


def _on_new_providers(experiment: Experiment) -> dict[str, str]:
    """How good heads were for providers that they had not learned from, if that was tested."""
    parts = experiment.left_out_predictions()
    if not parts:
        return {}
    tests = Predictions.joined(parts)
    right = (asserted(tests.probabilities, experiment.dataset().kind) == tests.targets).all(axis=1)
    told = f"accuracy {right.mean():.3f} on {len(right):,} pictures of left-out providers"
    return {"new_providers": f"{told}; the promise does not hold for these"}


def _networks(blank: Description, members: Sequence[StateDict]) -> list[nn.Module]:
    networks = []
    for state in members:
        network = build_classifier(
            blank.architecture, classes=len(blank.labels), size=blank.preprocessing.size
        )
        network.load_state_dict(state)
        networks.append(network)
    return networks


def _self_test(
    experiment: Experiment, folds: list[int], preprocessing: Preprocessing
) -> torch.Tensor:
    """Pictures of the data; for a single fold those that it was not trained on."""
    where = experiment.pictures()
    every = range(experiment.settings().folds)
    predictions = Predictions.joined([experiment.predictions(fold) for fold in every])
    tested = Predictions.joined([experiment.predictions(fold) for fold in folds])
    return example_pictures(
        [where[key] for key in predictions.keys],
        predictions.targets,
        preprocessing,
        held_out=np.isin(predictions.keys, tested.keys),
    )
