"""Training of one fold: from random or given weights to those with the lowest validation loss.

Every random choice has a seed of its own, made of the experiment's seed, the fold and the epoch.
So a run that was killed goes on from its last epoch, on a CPU to the very same numbers.
"""

import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from common.errors import EnrichmentError
from common.files import write_atomically
from common.vision.classifier import (
    LoadedWeights,
    StateDict,
    build_classifier,
    imagenet_weights,
    load_state,
    load_weights,
)
from trainer.augmentation import augment
from trainer.batches import class_weights, learning_rate, seed_of, training_batches
from trainer.config import IMAGENET, NO_WEIGHTS, TrainingConfig
from trainer.folds import Fold, Indices

LABEL_SMOOTHING = 0.1
WARM_UP = 0.05  # of all steps
WEIGHT_DECAY = 0.02
SAVING_SHARE = 0.05  # of the time, at most, goes into saving the state to resume from


@dataclass(frozen=True, kw_only=True)
class FoldData:
    """What a fold learns from: pictures uint8 (n, 3, size, size) of all folds, labels (n,)."""

    pictures: torch.Tensor
    labels: torch.Tensor
    classes: int
    fold: Fold


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history; epochs count from 1."""

    number: int
    training_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(kw_only=True)
class TrainingState:
    """All that changes from epoch to epoch, and so all that a resumed run needs."""

    classifier: nn.Module
    optimizer: torch.optim.Optimizer
    best: StateDict = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    @property
    def best_epoch(self) -> Epoch:
        """The epoch with the lowest validation loss."""
        return min(self.history, key=lambda epoch: epoch.validation_loss)

    def add(self, epoch: Epoch) -> None:
        """Add an epoch to the history, and keep the weights if they are the best so far."""
        self.history.append(epoch)
        if self.best_epoch is epoch:
            state = self.classifier.state_dict()
            self.best = {name: tensor.detach().clone() for name, tensor in state.items()}

    def save(self, path: Path) -> None:
        """Write everything to one file."""
        parts = {
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": [asdict(epoch) for epoch in self.history],
        }
        buffer = io.BytesIO()
        torch.save(parts, buffer)
        write_atomically(path, buffer.getbuffer())

    def restore(self, path: Path, device: torch.device) -> None:
        """Go back to what `save` wrote."""
        parts: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        self.classifier.load_state_dict(parts["classifier"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.best = parts["best"]
        self.history = [Epoch(**epoch) for epoch in parts["history"]]


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
    classifier, _ = start_classifier(config, classes=data.classes, fold=data.fold.number)
    classifier = classifier.to(device)
    if device.type == "cuda":
        classifier = classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    state = TrainingState(classifier=classifier, optimizer=optimizer)
    if resume.exists():
        state.restore(resume, device)
        for epoch in state.history:
            on_epoch(epoch)
    save_at = time.monotonic()
    while not _is_finished(state.history, config):
        state.add(_epoch(state, data, config, device))
        if (began := time.monotonic()) >= save_at:
            state.save(resume)
            save_at = began + (time.monotonic() - began) / SAVING_SHARE
        on_epoch(state.history[-1])
    classifier.load_state_dict(state.best)
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


def _is_finished(history: list[Epoch], config: TrainingConfig) -> bool:
    if not history:
        return False
    best = min(history, key=lambda epoch: epoch.validation_loss)
    return len(history) >= config.epochs or len(history) - best.number >= config.patience


def _epoch(
    state: TrainingState, data: FoldData, config: TrainingConfig, device: torch.device
) -> Epoch:
    number = len(state.history) + 1
    weights = class_weights(data.labels[torch.from_numpy(data.fold.training)], data.classes)
    training_loss = _train_one_epoch(state, data, config, number=number, weights=weights.to(device))
    labels = data.labels[torch.from_numpy(data.fold.validation)]
    logits = predict_logits(state.classifier, data.pictures, data.fold.validation, config)
    epoch = Epoch(
        number=number,
        training_loss=training_loss,
        validation_loss=functional.cross_entropy(logits, labels, weights).item(),
        validation_accuracy=(logits.argmax(1) == labels).float().mean().item(),
    )
    if not math.isfinite(epoch.training_loss + epoch.validation_loss):
        raise EnrichmentError(
            f"The loss of fold {data.fold.number} is not a number any more after epoch {number}; "
            "try a lower --learning-rate under another --experiment-name."
        )
    return epoch


def _train_one_epoch(
    state: TrainingState,
    data: FoldData,
    config: TrainingConfig,
    *,
    number: int,
    weights: torch.Tensor,
) -> float:
    """One pass over the training part, in training mode; the mean loss of its pictures."""
    state.classifier.train()
    generator = torch.Generator().manual_seed(seed_of(config.seed, data.fold.number, number))
    torch.manual_seed(generator.initial_seed())  # for dropout
    batches = training_batches(data.fold.training, config.batch_size, generator)
    total = torch.zeros((), device=weights.device)
    for step, indices in enumerate(batches):
        rate = learning_rate(
            (number - 1) * len(batches) + step,
            config.epochs * len(batches),
            highest=config.learning_rate,
            warm_up=WARM_UP,
        )
        batch = _to_device(data.pictures[indices], weights.device)
        batch = augment(batch, strength=config.image_augmentation, generator=generator)
        labels = data.labels[indices].to(weights.device)
        loss = _step(state, config.preprocessing.normalise(batch), labels, weights, rate)
        total += loss * len(indices)
    return total.item() / len(data.fold.training)


def _step(
    state: TrainingState,
    pictures: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
    rate: float,
) -> torch.Tensor:
    with _mixed_precision(weights.device):
        logits = state.classifier(pictures)
    loss = functional.cross_entropy(
        logits.float(), labels, weights, label_smoothing=LABEL_SMOOTHING
    )
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    return loss.detach()


def _to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    if device.type == "cuda":
        batch = batch.pin_memory().to(device, non_blocking=True)
        return batch.to(memory_format=torch.channels_last)
    return batch


def _mixed_precision(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
