"""What changes while a fold is trained, and the file from which a killed training goes on."""

import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from common.files import write_atomically
from common.vision.network import StateDict


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history; epochs count from 1, those of the head included.

    The accuracy is the share of pictures whose categories are all told right.
    """

    number: int
    training_loss: float
    validation_loss: float
    validation_accuracy: float

    def __str__(self) -> str:
        loss, accuracy = self.validation_loss, self.validation_accuracy
        return f"validation loss {loss:.3f}, accuracy {accuracy:.3f}"


@dataclass(kw_only=True)
class TrainingState:
    """All that changes from epoch to epoch, and so all that a resumed run needs.

    `average` is the moving average of the classifier's weights, where one is kept.
    """

    classifier: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None = None
    best: StateDict = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    @property
    def best_epoch(self) -> Epoch:
        """The epoch with the lowest validation loss."""
        return min(self.history, key=lambda epoch: epoch.validation_loss)

    @property
    def result(self) -> nn.Module:
        """The classifier that is validated and kept: the average, or else the one that learns."""
        return self.classifier if self.average is None else self.average.module

    def step(self, loss: torch.Tensor) -> None:
        """Move the weights down the slope of a loss, and their average after them."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.classifier)

    def add(self, epoch: Epoch) -> None:
        """Add an epoch to the history, and keep the weights if they are the best so far."""
        self.history.append(epoch)
        if self.best_epoch is epoch:
            state = self.result.state_dict()
            self.best = {name: tensor.detach().clone() for name, tensor in state.items()}

    def save(self, path: Path) -> None:
        """Write everything to one file, whole or not at all.

        Raises:
            EnrichmentError: the disk is full or refuses; the former file is untouched.
        """
        parts = {
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average and self.average.state_dict(),
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
        if self.average is not None:
            self.average.load_state_dict(parts["average"])
        self.best = parts["best"]
        self.history = [Epoch(**epoch) for epoch in parts["history"]]


def read_history(path: Path) -> list[Epoch]:
    """The epochs in a `history.csv`, as far as the plots need them.

    Raises:
        OSError, ValueError, KeyError: the file is missing or damaged.
    """
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Epoch(
                number=int(row["number"]),
                training_loss=float(row["training_loss"]),
                validation_loss=float(row["validation_loss"]),
                validation_accuracy=float(row["validation_accuracy"]),
            )
            for row in csv.DictReader(file)
        ]
