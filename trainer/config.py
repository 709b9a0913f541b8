"""What an experiment is told: one frozen object, checked, saved with every run."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, Self

from common.errors import ModelError, UsageError
from common.vision.preprocessing import Preprocessing, ResizeMode

MIN_BATCH = 4  # so that no batch, split evenly, has a single picture: batch norm needs two
MIN_SIZE = 32  # pixels; below, deep architectures have no feature map left

NO_WEIGHTS: Literal["none"] = "none"
IMAGENET: Literal["imagenet"] = "imagenet"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of a cross-validation, each documented below its field."""

    architecture: str = "resnet18"
    """Name of a torchvision classification architecture."""
    weights: str = NO_WEIGHTS
    """What the training starts from: none, imagenet, or a weight file."""
    input_size: int = 128
    """Side of the pictures in pixels."""
    resize: ResizeMode = "squash"
    """How a picture becomes square."""
    image_augmentation: float = 0.5
    """Strength of the random changes to training pictures, 0 (none) to 1."""
    folds: int = 10
    """Parts of the cross-validation; each is the test part once."""
    epochs: int = 100
    """Epochs at most; also the length of the learning rate's schedule."""
    patience: int = 10
    """Epochs without a better validation loss before the training stops."""
    batch_size: int = 32
    """Pictures a step."""
    learning_rate: float = 1e-3
    """The highest, after the warm-up."""
    seed: int = 0
    """Decides every random choice."""

    def __post_init__(self) -> None:
        at_least = {"folds": 2, "epochs": 1, "patience": 1, "seed": 0}
        at_least |= {"input_size": MIN_SIZE, "batch_size": MIN_BATCH}
        for name, lowest in at_least.items():
            if getattr(self, name) < lowest:
                raise UsageError(f"{name} is {getattr(self, name)}; at least {lowest} is needed.")
        if not 0 <= self.image_augmentation <= 1:
            raise UsageError(f"The image augmentation is {self.image_augmentation}, not in 0 to 1.")
        if not 0 < self.learning_rate < 1:
            raise UsageError(f"The learning rate is {self.learning_rate}, not between 0 and 1.")

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared, in training and ever after."""
        return Preprocessing(size=self.input_size, resize=self.resize)

    def to_json(self) -> str:
        """The text of `conf.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings in a `conf.json`.

        Raises:
            ModelError: the file is missing or damaged.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, UsageError) as error:
            raise ModelError(f"{path} is missing or damaged: {error}") from None

    def differences(self, other: "TrainingConfig") -> list[str]:
        """What differs in `other`, in words."""
        names = [field.name for field in fields(self)]
        return [
            f"{name} {getattr(other, name)} instead of {getattr(self, name)}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        ]
