"""What `model.json` says of a model: all that a worker needs to know beside the weights."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import torchvision

from common.errors import ModelError
from common.vision.preprocessing import Preprocessing

Kind = Literal["single", "multi"]
PictureSource = Literal["thumbnail", "media", "mixed", "folder"]

DESCRIPTION = "model.json"


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """A file of the bundle: the weights of one classifier of the ensemble, or pictures."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `model.json` says.

    `labels` and `concept_uris` stand in the order of the classifier's outputs. `kind` is single
    where a picture has one concept (softmax), multi where it may have several (sigmoid). The
    logits are divided by `temperature`. `thresholds` map a concept URI to the probability from
    which it is written, or to None where the concept is switched off. `picture_source` is what
    the pictures of the training were. `created_from` tells the origin, for people. A model that was
    imported without a picture has neither `self_test` nor `calibration`, an older one has no
    `calibration`.
    """

    architecture: str
    labels: tuple[str, ...]
    concept_uris: tuple[str, ...]
    preprocessing: Preprocessing
    kind: Kind
    temperature: float
    thresholds: dict[str, float | None]
    picture_source: PictureSource
    created_from: dict[str, Any]
    members: tuple[BundleFile, ...] = ()
    self_test: BundleFile | None = None
    calibration: BundleFile | None = None
    torchvision: str = torchvision.__version__

    def __post_init__(self) -> None:
        same_concepts = set(self.concept_uris) == set(self.thresholds)
        if len(self.labels) != len(self.concept_uris) or not same_concepts:
            raise ModelError("Labels, concepts and thresholds of the model do not fit together.")
        if self.kind not in get_args(Kind) or not self.temperature > 0:
            raise ModelError(f"No model has kind {self.kind!r} and temperature {self.temperature}.")

    @property
    def files(self) -> tuple[BundleFile, ...]:
        """All files of the bundle beside `model.json`."""
        pictures = (self.self_test, self.calibration)
        return (*self.members, *(file for file in pictures if file is not None))

    def to_json(self) -> str:
        """The text of `model.json`; the same description gives the same bytes."""
        members = asdict(self) | {"preprocessing": self.preprocessing.to_json()}
        return json.dumps(members, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The description that `to_json` wrote.

        Raises:
            ModelError: it is damaged, or of another version of this program.
        """
        try:
            raw = json.loads(text)
            raw["preprocessing"] = Preprocessing.from_json(raw["preprocessing"])
            raw["members"] = tuple(BundleFile(**member) for member in raw["members"])
            for name in ("self_test", "calibration"):
                raw[name] = BundleFile(**raw[name]) if raw.get(name) else None
            for name in ("labels", "concept_uris"):
                raw[name] = tuple(raw[name])
            return cls(**raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{DESCRIPTION} is damaged: {error}.") from None
