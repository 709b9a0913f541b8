"""The device that the trainer computes on if `--devices` is not given."""

import torch

from common.process.settings import TrainerSettings
from common.vision.runtimes.devices import pick_device


def own_device() -> torch.device:
    """The device of `TRAINER_DEVICE`.

    Raises:
        UsageError, DeviceError: as `take_device`.
    """
    return pick_device(TrainerSettings.read().trainer_device)
