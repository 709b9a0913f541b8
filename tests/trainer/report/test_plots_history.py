"""The history, as a table and as events."""

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from tests.trainer.experiments import HISTORY
from trainer.data.tables import read_records
from trainer.report.plots import write_history


def _events(path: Path) -> list[Event]:
    """The records of an event file: length, checksum, content, checksum."""
    data, events = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return events


def test_the_table_comes_back(tmp_path: Path) -> None:
    write_history(tmp_path, HISTORY)
    assert read_records(tmp_path / "history.csv") == [
        {name: str(value) for name, value in vars(epoch).items()} for epoch in HISTORY
    ]
    assert (tmp_path / "history.png").stat().st_size > 1000


def test_tensorboard_gets_every_epoch_once(tmp_path: Path) -> None:
    write_history(tmp_path, HISTORY[:2])  # of a run that was killed before it was finished
    write_history(tmp_path, HISTORY)
    (file,) = (tmp_path / "tensorboard").iterdir()
    scalars = [
        (value.tag, event.step, value.simple_value)
        for event in _events(file)
        for value in event.summary.value
    ]
    assert len(scalars) == 3 * 4
    assert ("training_loss", 4, 0.5) in scalars
    assert {tag for tag, _, _ in scalars} == {
        *("training_loss", "validation_loss", "validation_accuracy")
    }
