"""The predictions that a promise is measured on: for pictures that the model has not seen.

- For a single fold: the test predictions of all folds, each by the fold that did not see the
  picture.
- For an ensemble of heads: the predictions for each picture by the inner heads of the fold that
  tests it. They are an ensemble of the same kind, with less data, and none of them has seen the
  picture.
- For an ensemble of networks: predictions for other labelled pictures. Most members saw each
  picture of the training, and inner networks would need folds x folds trainings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from common.errors import ModelError, UsageError
from common.vision.answers.heads import Embeddings
from common.vision.answers.likeness import Likeness, halved_if_any
from common.vision.bundle import Description
from common.vision.network import FeaturesToo
from common.vision.runtimes import TorchRuntime
from common.vision.served import Served, ServedNetwork
from trainer.data.dataset import TrainingData
from trainer.data.device import own_device
from trainer.experiment import Experiment
from trainer.scoring.calibration import (
    at_temperature,
    ensemble_probabilities,
    fit_ensemble_temperature,
    fit_temperature,
)
from trainer.scoring.evaluate import classify_data
from trainer.scoring.evidence import Likenesses, draw_references, read_evidence
from trainer.scoring.predictions import Predictions, Probabilities, Targets

# The share of held-back pictures that count as like the training pictures. At 96 %, heads of two
# museums stop 93 % of foreign photographs; at 95 % they stop 96 % (EfficientNet-Lite2, December
# 2026).
PASSING = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedPredictions:
    """Predictions for n pictures, at the model's temperature.

    `probabilities` and `targets` are (n, classes), `unlike` is (n,). `likeness` is None if the
    model never abstains.
    """

    probabilities: Probabilities
    targets: Targets
    unlike: NDArray[np.bool_]
    temperature: float
    likeness: Likeness | None


def shared_temperature(experiment: Experiment) -> float:
    """The temperature that fits the validation predictions of all folds."""
    parts = [experiment.validation_predictions(number) for number in _folds(experiment)]
    held_back = Predictions.joined(parts)
    return fit_temperature(held_back.probabilities, held_back.targets, experiment.dataset().kind)


def judged_by_own_pictures(
    experiment: Experiment, folds: Sequence[int], *, abstains: bool
) -> JudgedPredictions:
    """Predictions for the training's own pictures, for a model of one fold or of all heads."""
    if len(folds) > 1:
        return judged_by_inner_heads(experiment, abstains=abstains)
    temperature = shared_temperature(experiment)
    return judged_by_folds(experiment, folds[0], temperature=temperature, abstains=abstains)


def judged_by_folds(
    experiment: Experiment, fold: int, *, temperature: float, abstains: bool
) -> JudgedPredictions:
    """The predictions of the folds for their test parts, for a model of one fold."""
    tests = _tests(experiment)
    found = _likenesses(experiment) if abstains else []
    return JudgedPredictions(
        probabilities=at_temperature(tests.probabilities, temperature, experiment.dataset().kind),
        targets=tests.targets,
        unlike=_unlike(found, len(tests.keys)),
        temperature=temperature,
        likeness=Likeness.of(found[fold].references, limit(found)) if found else None,
    )


def judged_by_inner_heads(experiment: Experiment, *, abstains: bool) -> JudgedPredictions:
    """The predictions of each fold's inner heads for its test part, for an ensemble of heads."""
    tests, kind = _tests(experiment), experiment.dataset().kind
    logits = [_inner_logits(experiment, number) for number in _folds(experiment)]
    temperature = fit_ensemble_temperature(logits, tests.targets, kind)
    found = _likenesses(experiment) if abstains else []
    return JudgedPredictions(
        probabilities=ensemble_probabilities(logits, temperature, kind),
        targets=tests.targets,
        unlike=_unlike(found, len(tests.keys)),
        temperature=temperature,
        likeness=Likeness.of(_joined_references(found), limit(found)) if found else None,
    )


def judged_by_new_pictures(
    experiment: Experiment,
    members: Sequence[nn.Module],
    blank: Description,
    data: TrainingData,
    *,
    abstains: bool,
) -> JudgedPredictions:
    """The predictions of an ensemble of networks for pictures that no member saw.

    Args:
        blank: the description of the model; its temperature and thresholds are not used.

    Raises:
        UsageError: the experiment was trained on some of these pictures.
        ModelError: a file is missing or damaged.
        DatasetError: the model lacks a category of the data, or no picture can be read.
    """
    _check_new(experiment, data)
    found = _likenesses(experiment) if abstains else []
    first = FeaturesToo(members[0]) if found else members[0]
    served = Served(
        title=blank.architecture,
        sha256="",
        size=blank.preprocessing.size,
        network=_Members([first, *members[1:]], blank.preprocessing),
    )
    runtime = TorchRuntime(served, own_device())
    classified = classify_data(blank, data, runtime.rows, batch_size=runtime.batch_size)
    rows, classes = np.stack(classified.predictions), len(blank.labels)
    width = classes + (rows.shape[1] - classes * len(members))  # of the first member
    logits = np.concatenate([rows[:, :classes], rows[:, width:]], axis=1)
    by_member = [logits.reshape(len(rows), len(members), classes)]
    temperature = fit_ensemble_temperature(by_member, classified.targets, blank.kind)
    likeness = Likeness.of(found[0].references, limit(found)) if found else None
    features = halved_if_any(rows[:, classes:width])
    return JudgedPredictions(
        probabilities=ensemble_probabilities(by_member, temperature, blank.kind),
        targets=classified.targets,
        unlike=likeness.is_unlike(features) if likeness else np.zeros(len(rows), dtype=np.bool_),
        temperature=temperature,
        likeness=likeness,
    )


class _Members(ServedNetwork):
    """The outputs of all members, one after the other: (n, numbers of all).

    The features of the first member follow its logits.
    """

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        pictures = self.normalised(batch)
        given = [member(pictures) for member in self.members]
        parts = [each for one in given for each in (one if isinstance(one, tuple) else (one,))]
        return torch.cat(parts, dim=1).float()


def _folds(experiment: Experiment) -> range:
    return range(experiment.settings().folds)


def _tests(experiment: Experiment) -> Predictions:
    return Predictions.joined([experiment.predictions(number) for number in _folds(experiment)])


def _inner_logits(experiment: Experiment, number: int) -> NDArray[np.float32]:
    """The inner logits of a fold, (tested, heads, classes)."""
    found = read_evidence(experiment.split(number)).inner_logits
    wanted = experiment.predictions(number).probabilities.shape
    if found is None or found.ndim != 3 or (found.shape[0], found.shape[2]) != wanted:
        raise ModelError(
            f"The evidence in {experiment.split(number)} is damaged. Train the fold again."
        )
    return found


def _likenesses(experiment: Experiment) -> list[Likenesses]:
    """The likenesses of each fold; empty if a fold has none."""
    found = [read_evidence(experiment.split(number)).likenesses for number in _folds(experiment)]
    there = [each for each in found if each is not None]
    if len({each.references.shape[1] for each in there}) > 1:
        raise ModelError(
            "The folds of the experiment have features of different length. Train it again."
        )
    return there if len(there) == len(found) else []


def limit(found: Sequence[Likenesses]) -> float:
    """The likeness that the share PASSING of the held-back pictures reaches."""
    held_back = np.concatenate([each.held_back for each in found])
    lowest = float(np.quantile(held_back, 1 - PASSING, method="lower"))
    return min(lowest, 1.0)  # two float16 copies of one embedding may have a cosine just above 1


def _unlike(found: Sequence[Likenesses], tested: int) -> NDArray[np.bool_]:
    if not found:
        return np.zeros(tested, dtype=np.bool_)
    unlike: NDArray[np.bool_] = np.concatenate([each.tested for each in found]) < limit(found)
    if len(unlike) != tested:
        raise ModelError("Evidence and predictions of the experiment do not match. Train it again.")
    return unlike


def _joined_references(found: Sequence[Likenesses]) -> Embeddings:
    different = np.unique(np.concatenate([each.references for each in found]), axis=0)
    return draw_references(different, seed=0)


def _check_new(experiment: Experiment, data: TrainingData) -> None:
    seen = data.known_to(experiment.known_pictures())
    if seen:
        raise UsageError(
            f"{experiment.name} was trained on {len(seen):,} of the {len(data.examples):,} "
            f"pictures of {data.source}, such as {seen[0]}. Give pictures that this training "
            "has not seen."
        )
