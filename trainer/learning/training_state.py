"""The state of a training, saved and restored: all that changes from epoch to epoch."""

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from common.errors import ModelError
from common.files import write_atomically
from common.vision.weights import StateDict, unpickled

_MISFITS = (AttributeError, LookupError, TypeError, ValueError)  # errors if parts have another form


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history; epochs count from 1, those of the head included.

    The accuracy is the share of pictures whose categories are all predicted correctly.
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
    """All that changes from epoch to epoch: all that a resumed run needs.

    `average` is the moving average of the classifier's weights, if the settings ask for one.
    """

    classifier: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None = None
    best: StateDict = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    @property
    def best_epoch(self) -> Epoch:
        return min(self.history, key=lambda epoch: epoch.validation_loss)

    @property
    def result(self) -> nn.Module:
        """The classifier that is validated and saved: the average, or else the trained one."""
        return self.classifier if self.average is None else self.average.module

    def step(self, loss: torch.Tensor) -> None:
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
        """Write the state to one file, whole or not at all.

        Raises:
            EnrichmentError: the disk is full or cannot be written to; the old file stays.
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

    def restore(self, path: Path) -> None:
        """Load the state that `save` wrote.

        Raises:
            ModelError: the file is damaged, or has the state of another training.
        """
        try:
            self._take(unpickled(path))
        except torch.OutOfMemoryError:
            raise
        except (ModelError, RuntimeError, *_MISFITS) as error:
            raise ModelError(
                f"{path} is damaged or belongs to another training, so this fold cannot "
                "continue. Remove the file to train the fold from its start."
            ) from error

    def _take(self, parts: dict[str, Any]) -> None:
        self.classifier.load_state_dict(parts["classifier"])
        self.optimizer.load_state_dict(parts["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(parts["average"])
        self.best = parts["best"]
        self.history = [Epoch(**epoch) for epoch in parts["history"]]
