"""An encoder of drawn weights, and models on it, in a store and in their folders."""

from pathlib import Path

import numpy as np
import torch
from sqlalchemy import Engine, select, text

from common.store.encoders import register_encoder
from common.store.tables import RegisteredEncoder
from common.vision.answers.heads import Embeddings
from common.vision.answers.likeness import NEIGHBOURS, Likeness
from common.vision.answers.rule import FLOOR, Rule
from common.vision.bundle import Description
from common.vision.encoders.description import ENCODERS, EncoderDescription
from common.vision.encoders.encoder import save_encoder
from common.vision.encoders.networks import build_network
from common.vision.kinds import Kind
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import save_bundle

SIZE = 32  # pixels
NETWORK = "torchvision:squeezenet1_1"
LEAST_LIKENESS = 0.9  # cosine


def add_encoder(
    engine: Engine, models: Path, *, name: str = "drawn", network: str = NETWORK, size: int = SIZE
) -> EncoderDescription:
    """An encoder below a MODEL_DIR; another name gives other weights."""
    torch.manual_seed(sum(name.encode()))
    weights = build_network(network, size=size).state_dict()
    encoder = save_encoder(models / ENCODERS, network, weights, Preprocessing(size=size), "drawn")
    with engine.begin() as connection:
        register_encoder(
            connection,
            name=name,
            sha256=encoder.identity,
            network=network,
            dimension=encoder.dimension,
            licence="",
        )
    return encoder


def promote(
    engine: Engine,
    models: Path,
    encoder: EncoderDescription,
    *,
    name: str,
    thresholds: dict[str, float | None],
    examples: torch.Tensor | None = None,
    likeness: Likeness | None = None,
    kind: Kind = "multi",
    data: str = "",
) -> int:
    """A model with a drawn head for these concepts, which are in the store; its number."""
    concepts = tuple(thresholds)
    description = Description(
        architecture=encoder.network,
        labels=tuple(f"concept {number}" for number, _ in enumerate(concepts)),
        concept_uris=concepts,
        preprocessing=encoder.preprocessing,
        kind=kind,
        rule=Rule.of(kind, FLOOR if kind == "single" else 0),
        temperature=1.0,
        thresholds=thresholds,
        picture_source="media",
        created_from={"data": data} if data else {},
        encoder=encoder.identity,
    )
    torch.manual_seed(sum(name.encode()))
    head = {
        "weight": 40 * torch.randn(len(concepts), encoder.dimension),
        "bias": torch.zeros(len(concepts)),
    }
    folder = models / f"{name}-1"
    sha256 = save_bundle(
        folder,
        description,
        [head],
        encoders=models / ENCODERS,
        self_test=examples,
        likeness=likeness,
    )
    return insert_model(engine, name, sha256, encoder.identity, concepts)


def insert_model(
    engine: Engine, name: str, sha256: str, encoder: str, concepts: tuple[str, ...]
) -> int:
    """The row of a model; the first one is active."""
    insert = text("""
        INSERT INTO model (name, version, path, sha256, labels, thresholds, encoder_id, stage)
        SELECT :name, 1, :path, :sha256, :labels, '{}', :encoder_id,
               CASE WHEN EXISTS (SELECT 1 FROM model) THEN 'candidate' ELSE 'active' END
        RETURNING id
    """)
    with engine.begin() as connection:
        encoder_id = connection.scalar(
            select(RegisteredEncoder.id).where(RegisteredEncoder.sha256 == encoder)
        )
        values = {"name": name, "path": f"{name}-1", "sha256": sha256, "labels": list(concepts)}
        number: int = connection.execute(insert, values | {"encoder_id": encoder_id}).scalar_one()
    return number


def to_nothing(dimension: int) -> Likeness:
    """Likeness to pictures as there are none: to no network's embeddings."""
    return to_all_near(np.eye(1, dimension, dtype=np.float16))


def to_all_near(embedding: Embeddings) -> Likeness:
    """Likeness to pictures with this one embedding (1, dimension)."""
    return Likeness.of(np.repeat(embedding, NEIGHBOURS, axis=0), LEAST_LIKENESS)
