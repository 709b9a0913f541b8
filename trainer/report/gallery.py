"""Test pictures with heatmaps, saved for each fold and shown in the report.

A heatmap shows which areas of the picture the prediction depends on. Each category has two: for its
most probable correct prediction and for its most probable wrong one. The report also shows the most
probable mistakes and the doubtful labels. The pictures are small JPEGs in data URIs, so the report
is one file.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from common.errors import RecordError
from common.files import read_regular, replacing
from common.pictures.decode import decode
from common.pictures.decoders import FILE_BYTES
from common.process.pages import data_uri, record_page
from common.vision.answers.heads import Head
from common.vision.encoders.encoder import Encoder
from common.vision.heatmap import HeatmapMaker, side_by_side
from common.vision.kinds import Kind
from common.vision.model import Model
from common.vision.network import EmbeddingHead, HeadedNetwork
from common.vision.preprocessing import Preprocessing
from trainer.data.dataset import TrainingData
from trainer.data.split import Indices
from trainer.data.split_table import read_titles
from trainer.experiment import Experiment
from trainer.scoring.evaluate import read_files
from trainer.scoring.label_errors import Doubt
from trainer.scoring.predictions import Predictions, asserted

LONGEST_KEY = 80  # characters of it in a file name
THUMBNAIL = (240, 200)  # pixels, width and height, at most
HEATMAP = (400, 200)
QUALITY = 80  # of JPEGs
LONGEST_TITLE = 160  # characters
MOST_EXHIBITS = 40
MOST_MISTAKES = 12
MOST_DOUBTS = 24


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """The heatmap of a predicted category; `position` is that of the picture in the predictions."""

    position: int
    category: int
    is_right: bool
    file: str


def choose_exhibits(
    predictions: Predictions, categories: tuple[str, ...], kind: Kind
) -> list[Exhibit]:
    """The most probable correct and the most probable wrong prediction of each category.

    If a picture may have several categories, all predicted ones of a chosen picture are included.
    """
    predicted = asserted(predictions.probabilities, kind)
    chosen: dict[tuple[int, bool], int] = {}
    surest_first = np.argsort(-predictions.probabilities, axis=None, kind="stable")
    for cell in surest_first[predicted.ravel()[surest_first]].tolist():
        position, category = divmod(cell, len(categories))
        is_right = bool(predictions.targets[position, category])
        chosen.setdefault((category, is_right), position)
    return [
        _exhibit(predictions, categories, position, category)
        for position in sorted(set(chosen.values()))
        for category in np.flatnonzero(predicted[position]).tolist()
    ]


def write_gallery(
    folder: Path,
    exhibits: list[Exhibit],
    classifier: nn.Module,
    pictures: torch.Tensor,
    preprocessing: Preprocessing,
) -> None:
    """Save each exhibit: the picture, and beside it the picture with its heatmap.

    Args:
        pictures: uint8 (n, 3, size, size), in the order of the predictions.
    """
    maker = HeatmapMaker([classifier], preprocessing)
    for exhibit in exhibits:
        _save(folder / exhibit.file, maker, pictures[exhibit.position], exhibit.category)


def write_head_gallery(
    folder: Path,
    predictions: Predictions,
    data: TrainingData,
    positions: Indices,
    encoder: Encoder,
    head: Head,
) -> None:
    """Like `write_gallery`, for a head on an encoder; only the exhibits are decoded.

    Args:
        positions: where the predicted examples are in the data.
    """
    how = encoder.description.preprocessing
    exhibits = choose_exhibits(predictions, data.categories, data.kind)
    shown = sorted({exhibit.position for exhibit in exhibits})
    paths = {data.examples[positions[each]].path: each for each in shown}
    pictures = {paths[each.path]: each.picture for each in read_files(list(paths), how)}
    (network,) = encoder.served.network.members
    headed = HeadedNetwork(network, EmbeddingHead(head.weights, head.bias))
    maker = HeatmapMaker([headed], how)
    for exhibit in exhibits:
        if exhibit.position in pictures:
            _save(folder / exhibit.file, maker, pictures[exhibit.position], exhibit.category)


def _save(path: Path, maker: HeatmapMaker, picture: torch.Tensor, category: int) -> None:
    (heat,) = maker.heatmaps(picture[None], [category])
    with replacing(path) as temporary:
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
    """Save a uint8 picture (3, size, size) and its heatmap for a label side by side, as a PNG.

    Raises:
        ModelError: the model's pictures are too small for a heatmap.
        EnrichmentError: the disk is full or not writable.
    """
    maker = HeatmapMaker(model.classifiers(), model.description.preprocessing)
    _save(path, maker, picture, label)


def thumbnail(path: Path) -> str:
    """A data URI; empty if the picture is missing or unreadable."""
    try:
        decoded = decode(read_regular(path, at_most=FILE_BYTES), shorter_side=min(THUMBNAIL))
    except (OSError, RecordError):
        return ""
    return _jpeg(decoded.image, THUMBNAIL)


def heatmap_pair(path: Path) -> str:
    """A data URI; empty if the file is missing."""
    try:
        with Image.open(io.BytesIO(read_regular(path, at_most=FILE_BYTES))) as image:
            return _jpeg(image.convert("RGB"), HEATMAP)
    except OSError:
        return ""


def _jpeg(image: Image.Image, bounds: tuple[int, int]) -> str:
    image.thumbnail(bounds)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")


@dataclass(frozen=True, kw_only=True)
class ReportCard:
    """`image` is a data URI, empty if the picture is missing; `page` is the record's web page.

    A file has no `page` and no `title`. `true` has the labels, `predicted` the predicted or
    suggested category.
    """

    image: str
    key: str
    title: str
    page: str
    true: str
    predicted: str
    probability: float
    is_right: bool


class ReportCards:
    """`test` has the test predictions of all folds in order; `names` are the categories' names."""

    def __init__(self, experiment: Experiment, test: Predictions, names: tuple[str, ...]) -> None:
        self._experiment = experiment
        self._test, self._names = test, names
        self._dataset = experiment.dataset()
        self._pictures = experiment.pictures()
        self._titles = read_titles(experiment.splits)

    def exhibits(self) -> list[ReportCard]:
        """For each category the most probable correct and wrong prediction of all folds."""
        surest: dict[tuple[int, bool], tuple[float, int, Path]] = {}
        for position, exhibit, file in self._exhibits():
            place = (exhibit.category, not exhibit.is_right)
            probability = float(self._test.probabilities[position, exhibit.category])
            surest[place] = max(surest.get(place, (0.0, 0, file)), (probability, position, file))
        chosen = [(*surest[place], place[0]) for place in sorted(surest)]
        return [
            self._card(position, category, image=heatmap_pair(file))
            for _, position, file, category in chosen[:MOST_EXHIBITS]
        ]

    def mistakes(self) -> list[ReportCard]:
        return [
            self._card(position, category, image=self._thumbnail(position))
            for position, category in self._surest_mistakes()
        ]

    def doubts(self, doubts: list[Doubt]) -> list[ReportCard]:
        """The most doubtful labels, without the pictures shown as mistakes."""
        shown = {position for position, _ in self._surest_mistakes()}
        others = [doubt for doubt in doubts if doubt.position not in shown]
        return [self._doubt(doubt) for doubt in others[:MOST_DOUBTS]]

    def _surest_mistakes(self) -> list[tuple[int, int]]:
        """Position and category of each mistake."""
        predicted = asserted(self._test.probabilities, self._dataset.kind)
        wrong = np.argwhere(predicted & ~self._test.targets)
        surest = np.argsort(-self._test.probabilities[wrong[:, 0], wrong[:, 1]], kind="stable")
        return [(position, category) for position, category in wrong[surest[:MOST_MISTAKES]]]

    def _exhibits(self) -> list[tuple[int, Exhibit, Path]]:
        """Position in `test`, exhibit and file of each, for the folds that have heatmaps."""
        found, offset = [], 0
        for number in range(self._experiment.settings().folds):
            test = self._experiment.predictions(number)
            folder = self._experiment.split(number) / "heatmaps"
            if folder.is_dir():
                for exhibit in choose_exhibits(test, self._dataset.categories, self._dataset.kind):
                    found.append((offset + exhibit.position, exhibit, folder / exhibit.file))
            offset += len(test.keys)
        return found

    def _doubt(self, doubt: Doubt) -> ReportCard:
        return ReportCard(
            image=self._thumbnail(doubt.position),
            predicted=self._suggestion(doubt),
            probability=doubt.suggested_probability,
            is_right=False,
            **self._known(doubt.position),
        )

    def _suggestion(self, doubt: Doubt) -> str:
        if doubt.suggested is None:
            return f"not {self._names[doubt.given or 0]}"
        also = "" if self._dataset.kind == "single" else "also "
        return also + self._names[doubt.suggested]

    def _card(self, position: int, category: int, *, image: str) -> ReportCard:
        return ReportCard(
            image=image,
            predicted=self._names[category],
            probability=float(self._test.probabilities[position, category]),
            is_right=bool(self._test.targets[position, category]),
            **self._known(position),
        )

    def _known(self, position: int) -> dict[str, str]:
        key = self._test.keys[position]
        labels = np.flatnonzero(self._test.targets[position])
        return {
            "key": key,
            "title": self._titles.get(key, "")[:LONGEST_TITLE],
            "page": "" if self._dataset.picture_source == "folder" else record_page(key),
            "true": ", ".join(self._names[i] for i in labels),
        }

    def _thumbnail(self, position: int) -> str:
        return thumbnail(self._pictures.get(self._test.keys[position], Path()))
