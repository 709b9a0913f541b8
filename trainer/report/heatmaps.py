"""Heatmaps of a whole model: where its members looked, on average."""

from pathlib import Path

import torch

from common.files import replacing
from common.vision.heatmap import HeatmapMaker, side_by_side
from common.vision.model import Model


def save_model_heatmap(path: Path, model: Model, picture: torch.Tensor, *, label: int) -> None:
    """Save a uint8 picture (3, size, size) beside what of it speaks for a label, as a PNG.

    Raises:
        ModelError: the pictures of the model leave nothing for a heatmap.
        EnrichmentError: the disk is full or refuses.
    """
    maker = HeatmapMaker(model.predictor.members, model.description.preprocessing)
    (heat,) = maker.heatmaps(picture[None], [label])
    with replacing(path) as temporary:
        side_by_side(picture, heat).save(temporary, format="PNG")
