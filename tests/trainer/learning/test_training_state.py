"""The state of a training on disk: whole, or refused in words."""

import os
from pathlib import Path

import pytest
import torch

from common.errors import ModelError
from tests.forking import ran_source
from trainer.learning.training_state import Epoch, TrainingState

WITHOUT_ROOM = """
import resource, signal, sys
from pathlib import Path
import torch
from common.errors import EnrichmentError, ModelError
from trainer.learning.training_state import Epoch, TrainingState

layer = torch.nn.Linear(100, 100)
state = TrainingState(classifier=layer, optimizer=torch.optim.AdamW(layer.parameters()))
path = Path(sys.argv[1])
for number in (1, 2):
    state.add(Epoch(number=number, training_loss=1, validation_loss=1, validation_accuracy=1))
    try:
        state.save(path)
    except EnrichmentError as error:
        print(error)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
state.restore(path)
print(len(state.history))
"""


def test_a_disk_that_fills_up_leaves_the_former_state_whole(tmp_path: Path) -> None:
    """In a process of its own: the limit on files would hold for the report of the tests too."""
    ended = ran_source(WITHOUT_ROOM, str(tmp_path / "resume.pth"))
    message, epochs = ended.stdout.splitlines()
    assert "resume.pth cannot be written" in message
    assert epochs == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["resume.pth"]


def _state(width: int = 4) -> TrainingState:
    layer = torch.nn.Linear(width, width)
    return TrainingState(classifier=layer, optimizer=torch.optim.AdamW(layer.parameters()))


def _half(path: Path) -> None:
    torch.save({"classifier": _state().classifier.state_dict(), "optimizer": 3}, path)


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        _half,
        _state(width=5).save,
        lambda path: torch.save([], path),
        lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"),
    ],
    ids=["pipe", "half", "other", "list", "cut"],
)
def test_what_is_no_state_of_this_training_is_refused_with_advice(tmp_path: Path, make) -> None:
    make(tmp_path / "resume.pth")
    with pytest.raises(ModelError, match=r"resume\.pth is .* Remove the file to train the fold"):
        _state().restore(tmp_path / "resume.pth")


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    saved = _state()
    saved.add(Epoch(number=1, training_loss=1, validation_loss=1, validation_accuracy=1))
    saved.save(tmp_path / "resume.pth")
    state = _state()
    state.restore(tmp_path / "resume.pth")
    assert state.history == saved.history
    assert torch.equal(state.best["weight"], saved.best["weight"])
