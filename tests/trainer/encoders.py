"""A tiny encoder in the store: the weights are drawn, and pictures of 64 pixels suffice."""

from pathlib import Path

import torch
from sqlalchemy import Engine

from common.store.encoders import StoredEncoder
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.networks import build_network
from common.vision.preprocessing import Preprocessing
from trainer.models.encoders import EncoderSource, add_encoder

NETWORK = "timm:test_efficientnet"
SIZE = 64
BLIND_TO_BLACK = Preprocessing(size=SIZE, mean=(0, 0, 0), std=(1, 1, 1))  # no layer adds to zero


def add_tiny(
    engine: Engine,
    model_dir: Path,
    name: str = "tiny",
    *,
    seed: int = 0,
    licence: str = "mit",
    preprocessing: Preprocessing = Preprocessing(size=SIZE),  # noqa: B008 - it is frozen
) -> StoredEncoder:
    """Add the encoder."""
    torch.manual_seed(seed)
    source = EncoderSource(
        network=NETWORK,
        weights=build_network(NETWORK, size=SIZE).state_dict(),
        preprocessing=preprocessing,
        licence=licence,
        described="drawn weights",
    )
    encoder, _ = add_encoder(engine, model_dir, name, source)
    return encoder


def folders(models: Path) -> list[str]:
    """The identities of the encoders that are there."""
    found = models / ENCODERS
    return sorted(each.name for each in found.iterdir()) if found.exists() else []
