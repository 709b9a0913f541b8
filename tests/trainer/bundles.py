"""Bundles of small classifiers with drawn weights."""

from pathlib import Path

import torch
from sqlalchemy import Engine

from common.vision.answers.familiar_pictures import FamiliarPictures
from common.vision.bundle import Description
from common.vision.kinds import Kind
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import save_bundle
from tests.trainer.pictures import VOCABULARY, draw
from trainer.models.registry import put_in_service
from trainer.models.store import Promoted

ARCHITECTURE = "squeezenet1_1"
LABELS = ("map", "toy", "textile")
SIZE = 32


def describe(*, kind: Kind = "single", threshold: float = 0.0) -> Description:
    """A model of three concepts, of which textile is switched off."""
    maps, toys, textiles = (VOCABULARY[label] for label in LABELS)
    return Description(
        architecture=ARCHITECTURE,
        labels=LABELS,
        concept_uris=(maps, toys, textiles),
        preprocessing=Preprocessing(size=SIZE),
        kind=kind,
        temperature=1.0,
        thresholds={maps: threshold, toys: threshold, textiles: None},
        picture_source="folder",
        created_from={"data": "folder drawings", "precision": 0.9},
    )


def weights(seed: int = 0, classes: int = 3) -> dict[str, torch.Tensor]:
    """Drawn ones."""
    torch.manual_seed(seed)
    return build_classifier(ARCHITECTURE, classes=classes).state_dict()


def pictures(count: int = 4) -> torch.Tensor:
    """For a self-test."""
    prepare = Preprocessing(size=SIZE).to_uint8
    return torch.stack([prepare(draw("map", seed)) for seed in range(count)])


def bundle(
    folder: Path, description: Description | None = None, *, known: FamiliarPictures | None = None
) -> Path:
    """A bundle that no store knows."""
    described = description or describe()
    save_bundle(folder, described, [weights()], self_test=pictures(), known=known)
    return folder


def promoted(
    engine: Engine,
    model_dir: Path,
    *,
    name: str = "small",
    seed: int = 0,
    active: bool = True,
    description: Description | None = None,
    known: FamiliarPictures | None = None,
) -> Promoted:
    """A bundle that the store knows."""
    return put_in_service(
        engine,
        model_dir,
        description or describe(),
        [weights(seed)],
        self_test=pictures(),
        name=name,
        active=active,
        known=known,
    )
