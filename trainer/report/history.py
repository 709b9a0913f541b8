"""The history of a fold, an epoch a line: as a table, as a plot, and for TensorBoard.

tensorboardX writes the events and needs little more than protobuf; TensorBoard itself, a server
with many dependencies, is installed where somebody looks at them.
"""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tensorboardX import SummaryWriter

from trainer.learning.state import Epoch
from trainer.report.plots import plot_history, save_png
from trainer.scoring.predictions import write_table


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    """Write `history.csv`, `history.png` and `tensorboard/` into the folder of a fold."""
    lines = [asdict(epoch) for epoch in history]
    write_table(folder / "history.csv", [list(lines[0]), *(list(x.values()) for x in lines)])
    save_png(folder / "history.png", plot_history([history]))
    _write_events(folder / "tensorboard", lines)


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


def _write_events(folder: Path, lines: list[dict[str, float]]) -> None:
    """One scalar a column; `tensorboard --logdir EXPERIMENT` shows the folds side by side."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed here
    with SummaryWriter(str(folder)) as events:
        for line in lines:
            for name, value in line.items():
                if name != "number":
                    events.add_scalar(name, value, global_step=int(line["number"]))
