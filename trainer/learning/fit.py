"""Training of one fold: from random or given weights to those with the lowest validation loss.

Every random choice has a seed of its own, made of the experiment's seed, the fold and the epoch.
So a run that was killed goes on from its last epoch, on a CPU to the very same numbers.
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from common.errors import EnrichmentError
from common.vision.model import Kind
from common.vision.network import (
    LoadedWeights,
    build_classifier,
    imagenet_weights,
    load_state,
    load_weights,
)
from trainer.data.split import Fold, Indices
from trainer.learning import distributed
from trainer.learning.batches import augment, mixup, seed_of, training_batches
from trainer.learning.optimisation import (
    Objective,
    Phase,
    average_of,
    build_optimizer,
    head_of,
    set_rate,
    share_right,
    train_mode,
)
from trainer.learning.state import Epoch, TrainingState
from trainer.settings import IMAGENET, NO_WEIGHTS, TrainingConfig

__all__ = ["Epoch", "FoldData", "TrainingState", "predict_logits", "start_classifier", "train_fold"]

SAVING_SHARE = 0.05  # of the time, at most, goes into saving the state to resume from


@dataclass(frozen=True, kw_only=True)
class FoldData:
    """What a fold learns from: pictures uint8 (n, 3, size, size) of all folds.

    `targets` is float32 (n, classes): 1 where a picture belongs to a category, 0 elsewhere.
    """

    pictures: torch.Tensor
    targets: torch.Tensor
    kind: Kind
    fold: Fold


def start_classifier(
    config: TrainingConfig, *, classes: int, fold: int
) -> tuple[nn.Module, LoadedWeights | None]:
    """A classifier as a fold starts with it, and what the given weights gave to it.

    Raises:
        UsageError: no such architecture.
        ModelError: the weights are unusable.
    """
    torch.manual_seed(seed_of(config.seed, fold, 0))
    classifier = build_classifier(config.architecture, classes=classes, size=config.input_size)
    if config.weights == NO_WEIGHTS:
        return classifier, None
    if config.weights == IMAGENET:
        state = imagenet_weights(config.architecture)
        return classifier, load_state(classifier, state, source="ImageNet")
    return classifier, load_weights(classifier, Path(config.weights))


def train_fold(
    data: FoldData,
    config: TrainingConfig,
    *,
    device: torch.device,
    resume: Path,
    on_epoch: Callable[[Epoch], None],
) -> TrainingState:
    """Train until the validation loss stops improving, or the epochs run out.

    The state is saved to `resume` after the first epoch, and then as often as that is cheap; where
    the file exists, training goes on from it, to the same numbers from whichever epoch it holds.

    Returns:
        The last state, its classifier with the best weights.

    Raises:
        UsageError, ModelError: as `start_classifier`.
        EnrichmentError: the loss is not a number any more.
    """
    pictures = len(data.fold.training)
    distributed.check_batch(pictures // math.ceil(pictures / config.batch_size))
    state = _start(data, config, device)
    if resume.exists():
        state.restore(resume, device)
        for epoch in state.history:
            on_epoch(epoch)
    distributed.check_agreed(len(state.history), what="state to resume from")
    save_at = time.monotonic()
    while not _is_finished(state.history, config):
        state.add(_epoch(state, data, config, device))
        if distributed.is_leader() and (began := time.monotonic()) >= save_at:
            state.save(resume)
            save_at = began + (time.monotonic() - began) / SAVING_SHARE
        on_epoch(state.history[-1])
    state.classifier.load_state_dict(state.best)
    return state


def predict_logits(
    classifier: nn.Module,
    pictures: torch.Tensor,
    indices: Indices,
    config: TrainingConfig,
) -> torch.Tensor:
    """Logits (len(indices), classes) on the CPU, of every picture asked for, in evaluation mode."""
    classifier.eval()
    device = next(classifier.parameters()).device
    parts = []
    with torch.inference_mode(), _mixed_precision(device):
        for chunk in torch.split(torch.from_numpy(indices), 2 * config.batch_size):
            batch = _to_device(pictures[chunk], device)
            parts.append(classifier(config.preprocessing.normalise(batch)).float().cpu())
    return torch.cat(parts)


def _start(data: FoldData, config: TrainingConfig, device: torch.device) -> TrainingState:
    classes = data.targets.shape[1]
    classifier, weights = start_classifier(config, classes=classes, fold=data.fold.number)
    # A CPU gains as well: MobileNetV2 learns half as many pictures again a second.
    classifier = classifier.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    classifier = distributed.of_team(classifier)
    optimizer = build_optimizer(classifier, head_of(classifier, weights), config)
    average = average_of(classifier, config.ema)
    return TrainingState(classifier=classifier, optimizer=optimizer, average=average)


def _is_finished(history: list[Epoch], config: TrainingConfig) -> bool:
    unjudged = config.head_epochs if config.epochs else 0
    if len(history) <= unjudged:
        return False
    best = min(history, key=lambda epoch: epoch.validation_loss)
    since = len(history) - max(best.number, unjudged)
    return len(history) >= config.all_epochs or since >= config.patience


def _epoch(
    state: TrainingState, data: FoldData, config: TrainingConfig, device: torch.device
) -> Epoch:
    number = len(state.history) + 1
    learned = data.targets[torch.from_numpy(data.fold.training)]
    objective = Objective.of(learned, data.kind, config.class_weights)
    training_loss = _train_one_epoch(state, data, config, number, objective.to(device))
    targets = data.targets[torch.from_numpy(data.fold.validation)]
    predict = partial(predict_logits, state.result, data.pictures, config=config)
    logits = distributed.divided(predict, data.fold.validation)
    epoch = Epoch(
        number=number,
        training_loss=training_loss,
        validation_loss=objective.loss(logits, targets).item(),
        validation_accuracy=share_right(logits, targets, data.kind),
    )
    if not math.isfinite(epoch.training_loss + epoch.validation_loss):
        raise EnrichmentError(
            f"The loss of fold {data.fold.number} is not a number any more after epoch {number}; "
            "try a lower --learning-rate under another --experiment-name."
        )
    return epoch


def _train_one_epoch(
    state: TrainingState, data: FoldData, config: TrainingConfig, number: int, objective: Objective
) -> float:
    """One pass over the training part, in training mode; the mean loss of its pictures."""
    seed = seed_of(config.seed, data.fold.number, number)
    generator, chance = torch.Generator().manual_seed(seed), random.Random(seed)
    torch.manual_seed(seed + distributed.rank())  # for dropout
    phase = Phase.of(number, config)
    train_mode(state.classifier, state.optimizer, head_only=phase.head_only)
    classifier = distributed.averaging(state.classifier)
    batches = training_batches(data.fold.training, config.batch_size, generator)
    total = torch.zeros((), device=objective.weights.device)
    for step, indices in enumerate(batches):
        set_rate(state.optimizer, phase.learning_rate(step, len(batches), config))
        batch = augment(
            _to_device(data.pictures[indices], total.device),
            strength=config.image_augmentation,
            generator=generator,
            size=phase.size,
        )
        pictures, targets = mixup(
            config.preprocessing.normalise(batch),
            data.targets[indices].to(total.device),
            strength=config.mixup,
            chance=chance,
        )
        own = distributed.own_share(targets)
        with _mixed_precision(total.device):
            logits = classifier(distributed.own_share(pictures))
        loss = objective.loss(logits.float(), own, smoothing=config.label_smoothing)
        state.step(loss * (distributed.size() * len(own) / len(targets)))
        total += loss.detach() * len(own)
    return distributed.added_up(total).item() / len(data.fold.training)


def _to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    if device.type == "cuda":
        batch = batch.pin_memory().to(device, non_blocking=True)
    return batch.to(memory_format=torch.channels_last)


def _mixed_precision(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
