"""Heatmaps of test pictures: the surest right and the surest wrong prediction of each category."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from common.files import replacing
from common.vision.heatmap import HeatmapMaker, side_by_side
from common.vision.model import Kind, Model
from common.vision.preprocessing import Preprocessing
from trainer.scoring.metrics import asserted
from trainer.scoring.predictions import Predictions

LONGEST_KEY = 80  # characters of it in a file name


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A test picture under the heatmap of a category that was asserted of it.

    `position` is that in the predictions.
    """

    position: int
    category: int
    is_right: bool
    file: str


def choose_exhibits(
    predictions: Predictions, categories: tuple[str, ...], kind: Kind
) -> list[Exhibit]:
    """Of each category the right and the wrong assertion that the classifier was surest of.

    Where a picture has several categories, all that is asserted of the chosen pictures is shown.
    """
    said = asserted(predictions.probabilities, kind)
    chosen: dict[tuple[int, bool], int] = {}
    surest_first = np.argsort(-predictions.probabilities, axis=None, kind="stable")
    for cell in surest_first[said.ravel()[surest_first]].tolist():
        position, category = divmod(cell, len(categories))
        is_right = bool(predictions.targets[position, category])
        chosen.setdefault((category, is_right), position)
    return [
        _exhibit(predictions, categories, position, category)
        for position in sorted(set(chosen.values()))
        for category in np.flatnonzero(said[position]).tolist()
    ]


def write_gallery(
    folder: Path,
    exhibits: list[Exhibit],
    classifier: nn.Module,
    pictures: torch.Tensor,
    preprocessing: Preprocessing,
) -> None:
    """Save each exhibit beside itself under the heatmap of what was asserted.

    Args:
        pictures: uint8 (n, 3, size, size), in the order of the predictions.
    """
    maker = HeatmapMaker([classifier], preprocessing)
    for exhibit in exhibits:
        picture = pictures[exhibit.position]
        (heat,) = maker.heatmaps(picture[None], [exhibit.category])
        with replacing(folder / exhibit.file) as temporary:
            side_by_side(picture, heat).save(temporary, format="PNG")


def _exhibit(
    predictions: Predictions, categories: tuple[str, ...], position: int, category: int
) -> Exhibit:
    targets = predictions.targets[position]
    is_right = bool(targets[category])
    name = f"right_{_plain(categories[category])}"
    if not is_right:
        true = "+".join(_plain(categories[i]) for i in np.flatnonzero(targets))
        name = f"wrong_{_plain(categories[category])}_is_{true}"
    key = _plain(predictions.keys[position])
    return Exhibit(
        position=position,
        category=category,
        is_right=is_right,
        file=f"{name[:LONGEST_KEY]}_{position}_{key[-LONGEST_KEY:]}.png",
    )


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


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
