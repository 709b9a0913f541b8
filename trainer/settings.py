"""The settings of an experiment, and recipes: settings that go together.

`scratch` is for training from nothing.

`fine-tune` goes on from given weights. It is short, since they know most of it already: the new
head first, then everything, on small pictures before those of full size. Measured with a
MobileNetV2 on 6,480 photographs of ten architectural elements at 96 pixels: accuracy 0.962 on the
first fold's test part, after an epoch of the head and eight of everything, half of them small.

`head` trains the head alone and leaves the given weights as they are. It is for few and noisy
pictures, and for sources that the training has not seen: there fine-tuning learns what its
museums look like. Measured with a MobileNetV2 on 1,928 photographs of objects in four categories
from three museums, at 192 pixels with inverse class weights, each museum tested by a head that
learned from the other two: macro F1 0.59, where fine-tuning reached 0.51 to 0.57.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, Self

from common.errors import ModelError, UsageError
from common.vision.model import Kind
from common.vision.preprocessing import Preprocessing, ResizeMode

GroupBy = Literal["picture", "provider"]
ClassWeights = Literal["none", "sqrt", "inverse"]
MIN_BATCH = 4  # so that no batch, split evenly, has a single picture: batch norm needs two
MIN_SIZE = 32  # pixels; below, deep architectures have no feature map left
NO_WEIGHTS: Literal["none"] = "none"
IMAGENET: Literal["imagenet"] = "imagenet"
RecipeName = Literal["scratch", "fine-tune", "head"]


@dataclass(frozen=True)
class _Bounds:
    """Between what a setting may lie, the bounds themselves included unless said."""

    lowest: float
    highest: float = math.inf
    without: tuple[float, ...] = ()

    def hold(self, value: float) -> bool:
        return self.lowest <= value <= self.highest and value not in self.without

    def __str__(self) -> str:
        upwards = f"from {self.lowest:g}"
        upwards += f" to {self.highest:g}" if math.isfinite(self.highest) else " upwards"
        return upwards + "".join(f", without {value:g} itself," for value in self.without)


_BOUNDS = {
    "input_size": _Bounds(MIN_SIZE),
    "start_scale": _Bounds(0, 1, without=(0,)),
    "image_augmentation": _Bounds(0, 1),
    "mixup": _Bounds(0, 1),
    "folds": _Bounds(2),
    "head_epochs": _Bounds(0),
    "epochs": _Bounds(0),
    "patience": _Bounds(1),
    "batch_size": _Bounds(MIN_BATCH),
    "learning_rate": _Bounds(0, 1, without=(0,)),
    "lowest_rate": _Bounds(0, 1, without=(0,)),
    "label_smoothing": _Bounds(0, 1, without=(1,)),
    "ema": _Bounds(0, 1, without=(1,)),
    "seed": _Bounds(0),
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of a cross-validation, each documented below its field."""

    kind: Kind = "single"
    """Whether a picture has exactly one category, or any number of them."""
    group_by: GroupBy = "picture"
    """What no fold divides: the copies of a picture, or also the records of a data provider."""
    architecture: str = "resnet18"
    """Name of a torchvision classification architecture."""
    weights: str = NO_WEIGHTS
    """What the training starts from: none, imagenet, or a weight file."""
    weights_sha256: str = ""
    """Of that file, so that another one under its name is noticed."""
    input_size: int = 128
    """Side of the pictures in pixels."""
    resize: ResizeMode = "squash"
    """How a picture becomes square."""
    start_scale: float = 1.0
    """Side of the pictures in the first half of the epochs, as a share of the input size."""
    image_augmentation: float = 0.5
    """Strength of the random changes to training pictures, 0 (none) to 1."""
    mixup: float = 0.0
    """Strength of blending pictures with each other; 0 is none, 0.2 is common."""
    folds: int = 10
    """Parts of the cross-validation; each is the test part once."""
    head_epochs: int = 0
    """Epochs before all others that train the new head alone."""
    epochs: int = 100
    """Epochs of the whole classifier at most; also the length of the rate's schedule.

    Without any, the head alone is trained, and `patience` counts its epochs.
    """
    patience: int = 10
    """Epochs without a better validation loss before the training stops."""
    batch_size: int = 32
    """Pictures a step."""
    learning_rate: float = 1e-3
    """The highest, after the warm-up."""
    lowest_rate: float = 1.0
    """Learning rate of the first layers as a share of the head's; layers between lie between."""
    class_weights: ClassWeights = "none"
    """How much rare categories gain: nothing, or by the (square root of the) inverse frequency."""
    label_smoothing: float = 0.1
    """How far targets are moved towards not knowing."""
    ema: float = 0.0
    """Decay, a step, of the moving average of the weights; 0 is none."""
    seed: int = 0
    """Decides every random choice."""

    def __post_init__(self) -> None:
        for name, bounds in _BOUNDS.items():
            if not bounds.hold(value := getattr(self, name)):
                raise UsageError(f"{name} is {value}; {bounds} is possible.")
        if not self.all_epochs:
            raise UsageError("epochs is 0, and so is head_epochs: nothing would be trained.")

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared, in training and ever after."""
        return Preprocessing(size=self.input_size, resize=self.resize)

    @property
    def all_epochs(self) -> int:
        """Epochs of a fold at most, those of the head included."""
        return self.head_epochs + self.epochs

    def pinned(self) -> Self:
        """The settings with the sha256 of their weight file, if there is one.

        Raises:
            ModelError: the file cannot be read.
        """
        if self.weights in (NO_WEIGHTS, IMAGENET):
            return self
        try:
            with Path(self.weights).open("rb") as file:
                return replace(self, weights_sha256=hashlib.file_digest(file, "sha256").hexdigest())
        except FileNotFoundError:
            raise ModelError(f"There is no weight file {self.weights}.") from None
        except OSError as error:
            raise ModelError(f"{self.weights} cannot be read: {error.strerror}.") from None

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


FROM_SCRATCH = TrainingConfig()
FINE_TUNING = TrainingConfig(
    weights=IMAGENET,
    start_scale=0.67,
    image_augmentation=0.4,
    head_epochs=1,
    epochs=8,
    patience=8,
    lowest_rate=0.2,
)
HEAD_ALONE = replace(FINE_TUNING, start_scale=1.0, image_augmentation=0.1, head_epochs=10, epochs=0)
RECIPES: dict[RecipeName, TrainingConfig] = {
    "scratch": FROM_SCRATCH,
    "fine-tune": FINE_TUNING,
    "head": HEAD_ALONE,
}


def recipe(weights: str, name: RecipeName | None = None) -> TrainingConfig:
    """The settings of a recipe, or of the one for what a training starts from.

    Args:
        weights: none, imagenet, or a weight file.

    Raises:
        UsageError: the recipe needs weights to start from.
    """
    if name is None:
        name = "scratch" if weights == NO_WEIGHTS else "fine-tune"
    if name != "scratch" and weights == NO_WEIGHTS:
        raise UsageError(f"The recipe {name} goes on from weights: give --weights.")
    return replace(RECIPES[name], weights=weights)
