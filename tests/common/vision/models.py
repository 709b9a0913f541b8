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
