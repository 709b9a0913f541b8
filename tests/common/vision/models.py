"""Small models of drawn weights, whose outputs nevertheless differ from picture to picture."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from common.vision.bundle import Description
from common.vision.model import Model
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import load_bundle, save_bundle

SIZE = 32
MAP = "http://data.europeana.eu/concept/43"
PAINTING = "http://data.europeana.eu/concept/47"
DESCRIPTION = Description(
    architecture="squeezenet1_1",
    labels=("map", "painting"),
    concept_uris=(MAP, PAINTING),
    preprocessing=Preprocessing(size=SIZE),
    kind="single",
    temperature=1.5,
    thresholds={MAP: 0.0, PAINTING: None},
    picture_source="media",
    created_from={},
)


def model_of(
    architecture: str,
    folder: Path,
    *,
    members: int = 1,
    pictures: torch.Tensor | None = None,
) -> Model:
    """A model of two concepts, saved in a new folder and loaded from it."""
    description = replace(DESCRIPTION, architecture=architecture)
    states = [_classifier(architecture, seed).state_dict() for seed in range(members)]
    sha256 = save_bundle(folder, description, states, self_test=pictures)
    return load_bundle(folder, sha256)


def _classifier(architecture: str, seed: int) -> nn.Module:
    """Drawn weights; batch norms that have seen pictures, so that fusing them means something."""
    torch.manual_seed(seed)
    classifier = build_classifier(architecture, classes=2, size=SIZE).train()
    with torch.no_grad():
        classifier(torch.randn(16, 3, SIZE, SIZE))
    return classifier.eval()


TOY, TEXTILE = (f"http://data.europeana.eu/concept/{number}" for number in (56, 55))
THREE = replace(
    DESCRIPTION,
    labels=("map", "toy", "textile"),
    concept_uris=(MAP, TOY, TEXTILE),
    temperature=1.0,
    thresholds={MAP: 0.25, TOY: 0.6, TEXTILE: None},
    picture_source="thumbnail",
    created_from={"experiment": "test"},
)


def members_of_three(count: int) -> list[nn.Module]:
    """Classifiers of three concepts, always the same."""
    torch.manual_seed(0)
    return [build_classifier("squeezenet1_1", classes=3).eval() for _ in range(count)]


def save_three(folder: Path, description: Description = THREE, members: int = 2) -> str:
    """Save a bundle of three concepts, and return its sha256."""
    states = [each.state_dict() for each in members_of_three(members)]
    return save_bundle(folder, description, states)
