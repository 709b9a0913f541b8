"""The gallery: heatmaps of test pictures, of each category the surest right and wrong one."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from common.files import replacing
from common.vision.heatmap import heatmap, save_heatmap
from common.vision.preprocessing import Preprocessing
from trainer.experiment import Predictions


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A test picture to show: its position in the predictions, and its file name."""

    position: int
    predicted: int
    file: str


def choose_exhibits(predictions: Predictions, categories: tuple[str, ...]) -> list[Exhibit]:
    """Of each category, the right and the wrong prediction that the classifier was surest of."""
    predicted = predictions.probabilities.argmax(axis=1)
    surest_first = (-predictions.probabilities.max(axis=1)).argsort(kind="stable")
    chosen: dict[tuple[int, bool], Exhibit] = {}
    for position in surest_first.tolist():
        label, guess = int(predictions.labels[position]), int(predicted[position])
        key = re.sub(r"[^A-Za-z0-9]+", "_", predictions.keys[position]).strip("_")
        name = f"right_{categories[label]}_{key}.png"
        if label != guess:
            name = f"wrong_{categories[label]}_as_{categories[guess]}_{key}.png"
        exhibit = Exhibit(position=position, predicted=guess, file=name)
        chosen.setdefault((label, label == guess), exhibit)
    return list(chosen.values())


def write_gallery(
    folder: Path,
    exhibits: list[Exhibit],
    classifier: nn.Module,
    pictures: torch.Tensor,
    preprocessing: Preprocessing,
) -> None:
    """Save each exhibit beside itself under the heatmap of what was predicted.

    Args:
        pictures: uint8 (n, 3, size, size), in the order of the predictions.
    """
    for exhibit in exhibits:
        picture = pictures[exhibit.position]
        heat = heatmap(classifier, picture, preprocessing, label=exhibit.predicted)
        with replacing(folder / exhibit.file) as temporary:
            save_heatmap(temporary, picture, heat)
