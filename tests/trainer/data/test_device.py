"""What the trainer computes on."""

import pytest

from common.errors import DeviceError, UsageError
from trainer.data.device import own_device


def test_the_trainer_computes_on_the_device_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_DEVICE", "cpu")
    assert str(own_device()) == "cpu"
    monkeypatch.setenv("TRAINER_DEVICE", "cuda:999")
    with pytest.raises(DeviceError, match="no device 'cuda:999'"):
        own_device()
    monkeypatch.setenv("TRAINER_DEVICE", "gpu")
    with pytest.raises(UsageError, match="it must be auto, cpu, cuda"):
        own_device()
