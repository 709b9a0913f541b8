"""The settings of a training.

`TrainingSettings` makes the options, `conf.json` and the page docs/reference/training-settings.md.
This module loads no torch.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.errors import ModelError, UsageError
from common.files import open_regular, read_regular
from common.process.wrong_values import field_path, in_words
from common.vision.kinds import Kind, ResizeMode

if TYPE_CHECKING:
    from common.vision.preprocessing import Preprocessing

GroupBy = Literal["picture", "provider"]
ClassWeights = Literal["none", "sqrt", "inverse"]
MIN_BATCH = 4  # batches are split evenly, and batch norm needs two pictures in each
MAX_JSON = 1 << 30  # bytes of a file of an experiment; enough for a confusion of 10,000 categories
MIN_SIZE = 32  # pixels; with fewer, deep architectures have no feature map left
NO_WEIGHTS: Literal["none"] = "none"
IMAGENET: Literal["imagenet"] = "imagenet"
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"  # of an experiment, a model, an encoder: each has a folder


class TrainingSettings(BaseModel):
    """The settings of a cross-validation: defaults, ranges and help texts.

    A field's option is its name, unless the field names another one; an empty one means no option.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Kind = Field(
        default="single",
        description="single: a picture has exactly one category. multi: a picture has any number "
        "of categories.",
        json_schema_extra={"option": "--mode"},
    )
    group_by: GroupBy = Field(
        default="picture",
        description="Pictures of a group are in the same part of a fold. picture: near-duplicates "
        "are a group. provider: all pictures of a data provider are a group, with their "
        "near-duplicates. If the data has three or more data providers, the default is usually "
        "provider.",
    )
    architecture: str = Field(
        default="resnet18",
        description="The architecture of the network, from torchvision.",
        json_schema_extra={"option": "--arch"},
    )
    weights: str = Field(
        default=NO_WEIGHTS,
        description="Weights at the start: none, imagenet, or a .safetensors or .pth file.",
    )
    weights_sha256: str = Field(
        default="",
        description="sha256 of the weight file, to notice a changed file.",
        json_schema_extra={"option": ""},
    )
    encoder: str = Field(
        default="",
        description="An encoder of the store. The heads learn from embeddings of this encoder.",
    )
    encoder_sha256: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="sha256 of the encoder, to notice a changed one.",
        json_schema_extra={"option": ""},
    )
    encoder_licence: str = Field(
        default="",
        description="Licence of the encoder's weights; empty if it is unknown.",
        json_schema_extra={"option": ""},
    )
    input_size: int = Field(
        default=128, ge=MIN_SIZE, description="Side of the prepared pictures, in pixels."
    )
    resize: ResizeMode = Field(
        default="squash",
        description="Way to make pictures square. squash: change the aspect ratio. letterbox: "
        "add black bars. crop: cut the longer side.",
    )
    start_scale: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Size of the pictures in the first half of the epochs, divided by "
        "--input-size.",
    )
    image_augmentation: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Strength of the random changes to training pictures. 0: no changes.",
        json_schema_extra={"option": "--img-aug"},
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Strength of mixup, which blends two pictures. 0: no mixup. Usual: 0.2.",
    )
    folds: int = Field(
        default=10,
        ge=2,
        description="Number of folds of the cross-validation. Each picture is tested in one fold.",
    )
    head_epochs: int = Field(
        default=0,
        ge=0,
        description="Number of epochs at the beginning that train the head alone.",
    )
    epochs: int = Field(
        default=100,
        ge=0,
        description="Maximum number of epochs of the whole network. 0: train the head alone.",
    )
    patience: int = Field(
        default=10,
        ge=1,
        description="If the validation loss does not improve for this number of epochs, the "
        "training of the fold stops.",
    )
    batch_size: int = Field(
        default=32, ge=MIN_BATCH, description="Number of pictures in a training step."
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, le=1, description="Highest learning rate, after the warm-up."
    )
    lowest_rate: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Learning rate of the first layers, divided by the learning rate of the head.",
    )
    class_weights: ClassWeights = Field(
        default="none",
        description="Weight of a category. none: the same weight for all categories. inverse: "
        "1 / frequency. sqrt: the square root of 1 / frequency. With inverse or sqrt, the "
        "model finds more pictures of rare categories, but is less accurate.",
    )
    drop_doubtful: bool = Field(
        default=False,
        description="Test pictures with a doubtful label, but do not train with these pictures.",
    )
    label_smoothing: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Strength of label smoothing. 0: no label smoothing.",
    )
    ema: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Decay of the moving average of the weights in a training step. 0: no average.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of all random choices.")

    @model_validator(mode="after")
    def _trains_something(self) -> Self:
        if not self.all_epochs:
            raise ValueError("There is nothing to train: --epochs and --head-epochs are both 0.")
        return self

    @property
    def preprocessing(self) -> "Preprocessing":
        from common.vision.preprocessing import Preprocessing  # it loads torch

        return Preprocessing(size=self.input_size, resize=self.resize)

    @property
    def all_epochs(self) -> int:
        """Most epochs of a fold, those of the head included."""
        return self.head_epochs + self.epochs

    def changed(self, **changes: Any) -> Self:
        """The settings with other values for some.

        Raises:
            UsageError: a value is out of range.
        """
        try:
            return type(self)(**self.model_dump() | changes)
        except ValidationError as error:
            raise UsageError(" ".join(_problems(error))) from error

    def pinned(self) -> Self:
        """The settings with the sha256 of their weight file, if there is one.

        Raises:
            ModelError: the file cannot be read.
        """
        if self.encoder:
            return self
        if self.weights in (NO_WEIGHTS, IMAGENET):
            return self
        try:
            with open_regular(Path(self.weights)) as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise ModelError(f"There is no weight file {self.weights}.") from error
        except OSError as error:
            raise ModelError(f"{self.weights} cannot be read: {error.strerror}.") from error
        return self.changed(weights_sha256=sha256)

    def to_json(self) -> str:
        return json.dumps(self.model_dump(), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings in a `conf.json`.

        Raises:
            ModelError: the file is missing or damaged.
        """
        try:
            return cls.model_validate_json(read_regular(path, at_most=MAX_JSON))
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
        except ValidationError as error:
            raise ModelError(f"{path} is damaged: {' '.join(_problems(error))}") from error

    def differences(self, other: "TrainingSettings") -> list[str]:
        return [
            f"{name} {theirs} instead of {own}"
            for (name, own), (_, theirs) in zip(self, other, strict=True)
            if own != theirs and name != "encoder_licence"  # a fact, not a choice
        ]


def checked_name(name: str, *, of: str) -> str:
    """Returns the name if it can be the name of a folder.

    Raises:
        UsageError: it cannot be one.
    """
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} cannot be the name of {of}. Use letters, digits, '_', '-' and '.'."
        )
    return name


def option_of(name: str) -> str:
    """The option of a setting, such as `--img-aug`; empty if it has none."""
    extra = TrainingSettings.model_fields[name].json_schema_extra
    named = extra.get("option") if isinstance(extra, dict) else None
    return f"--{name.replace('_', '-')}" if named is None else str(named)


def range_of(name: str) -> str:
    """The values that a setting may have, in words: "2 or more"; empty for any text."""
    field = TrainingSettings.model_fields[name]
    if words := get_args(field.annotation):
        return " or ".join([", ".join(words[:-1]), words[-1]])
    bounds = {
        name: f"{getattr(limit, name):g}"
        for limit in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if hasattr(limit, name)
    }
    match bounds:
        case {"ge": low, "le": high}:
            return f"{low} to {high}"
        case {"ge": low, "lt": high}:
            return f"{low} or more, and less than {high}"
        case {"gt": low, "le": high}:
            return f"more than {low}, at most {high}"
        case {"ge": low}:
            return f"{low} or more"
    return ""


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        name = field_path(problem["loc"])
        if name in TrainingSettings.model_fields:
            wanted = range_of(name) or in_words(problem).removeprefix("it must be ")
            yield f"{option_of(name) or name} must be {wanted}."
        elif problem["type"] == "value_error":
            yield in_words(problem)
        else:
            yield f"{name}: {in_words(problem)}."
