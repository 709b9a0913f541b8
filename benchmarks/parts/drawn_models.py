"""Models with random weights: only their cost matters here, not their predictions."""

from collections.abc import Mapping
from pathlib import Path

import torch
from sqlalchemy import Engine

from common.vision.bundle import Description
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import bundle_sha256
from trainer.models.registry import put_in_service

CONCEPTS = tuple(f"http://data.europeana.eu/concept/{number}" for number in range(1, 21))
ALWAYS, SOMETIMES = 0.0, 0.06  # thresholds; a probability is 0.05 on average
TALKATIVE = dict.fromkeys(CONCEPTS, SOMETIMES) | {CONCEPTS[0]: ALWAYS}


def drawn_description(
    architecture: str, size: int, thresholds: Mapping[str, float | None] = TALKATIVE
) -> Description:
    """A classifier that by default predicts at least one concept for every picture."""
    return Description(
        architecture=architecture,
        labels=tuple(f"concept {number}" for number, _ in enumerate(thresholds)),
        concept_uris=tuple(thresholds),
        preprocessing=Preprocessing(size=size),
        kind="single",
        temperature=1.0,
        thresholds=dict(thresholds),
        picture_source="media",
        created_from={},
    )


def put_classifier_in_service(
    engine: Engine, model_dir: Path, name: str, description: Description
) -> tuple[Path, str]:
    """The bundle of the active classifier, and its sha256."""
    torch.manual_seed(0)
    size = description.preprocessing.size
    network = build_classifier(description.architecture, classes=len(description.labels), size=size)
    drawn = torch.randint(0, 256, (8, 3, size, size), dtype=torch.uint8)
    promoted = put_in_service(
        engine,
        model_dir,
        description,
        [network.state_dict()],
        self_test=drawn,
        name=name,
        active=True,
    )
    bundle = model_dir / promoted.path
    return bundle, bundle_sha256(bundle)
