"""What a machine tells of the fold that it trains: `status.json`, until the fold is finished."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import ModelError
from common.files import write_atomically
from trainer.folds.experiment import Experiment
from trainer.learning.state import Epoch

_FILE = "status.json"


@dataclass(frozen=True, kw_only=True)
class FoldStatus:
    """Who trains a fold and the last epoch; `error` says why they do so no longer."""

    machine: str
    epoch: Epoch | None = None
    error: str = ""


def write_status(experiment: Experiment, number: int, status: FoldStatus) -> None:
    """Tell those who watch the experiment.

    Raises:
        EnrichmentError: the disk is full or refuses.
    """
    write_atomically(_path(experiment, number), json.dumps(asdict(status)))


def read_status(experiment: Experiment, number: int) -> FoldStatus | None:
    """What was told last, if anything was.

    Raises:
        ModelError: the file is damaged.
    """
    path = _path(experiment, number)
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        epoch = raw.pop("epoch")
        return FoldStatus(**raw, epoch=epoch and Epoch(**epoch))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged: {error}") from None


def forget_status(experiment: Experiment, number: int) -> None:
    """Take back what was told."""
    _path(experiment, number).unlink(missing_ok=True)


def _path(experiment: Experiment, number: int) -> Path:
    return experiment.split(number) / _FILE
