"""Heatmaps of a whole model: where its members looked, on average."""

from pathlib import Path

import numpy as np
import torch

from common.files import replacing
from common.vision.heatmap import heatmap, save_heatmap
from common.vision.model import Model


def save_model_heatmap(path: Path, model: Model, picture: torch.Tensor, *, label: int) -> None:
    """Save a uint8 picture (3, size, size) beside what of it speaks for a label, as a PNG.

    Raises:
        ModelError: the pictures of the model leave nothing for a heatmap.
        EnrichmentError: the disk is full or refuses.
    """
    preprocessing = model.description.preprocessing
    heats = [
        heatmap(member, picture, preprocessing, label=label) for member in model.predictor.members
    ]
    with replacing(path) as temporary:
        save_heatmap(temporary, picture, np.mean(heats, axis=0))
