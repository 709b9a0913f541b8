"""The pictures that the report shows, each with its true categories and its predicted ones.

Pictures are small JPEGs as data URIs, so that the report is one file.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from common.errors import RecordError
from common.pictures.decode import decode
from trainer.experiment import Experiment
from trainer.report.gallery import Exhibit, choose_exhibits
from trainer.scoring.label_errors import Doubt
from trainer.scoring.metrics import asserted
from trainer.scoring.predictions import Predictions

THUMBNAIL = (240, 200)  # pixels, width and height, at most
HEATMAP = (400, 200)
QUALITY = 80
RECORD_PAGE = "https://www.europeana.eu/item"
MOST_EXHIBITS = 40
MOST_MISTAKES = 12
MOST_DOUBTS = 24


def thumbnail(path: Path) -> str:
    """A picture of the training data as a data URI, empty where it is gone or unreadable."""
    try:
        decoded = decode(path.read_bytes(), shorter_side=min(THUMBNAIL))
    except (OSError, RecordError):
        return ""
    return _jpeg(decoded.image, THUMBNAIL)


def heatmap_pair(path: Path) -> str:
    """A saved heatmap as a data URI, empty where it is gone."""
    try:
        with Image.open(path) as image:
            return _jpeg(image.convert("RGB"), HEATMAP)
    except OSError:
        return ""


def data_uri(content: bytes, media_type: str) -> str:
    """A file as a URI that holds all of it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _jpeg(image: Image.Image, bounds: tuple[int, int]) -> str:
    image.thumbnail(bounds)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")


@dataclass(frozen=True, kw_only=True)
class ReportCard:
    """A picture to show.

    `image` is a data URI, empty where the picture is gone; `page` that of the record, empty for
    a file. `true` are its labels, `said` what was asserted or is suggested, with the probability.
    """

    image: str
    key: str
    page: str
    true: str
    said: str
    probability: float
    is_right: bool


class ReportCards:
    """Makes cards of the test pictures of all folds, which `test` has in the order of the folds."""

    def __init__(self, experiment: Experiment, test: Predictions) -> None:
        self._experiment = experiment
        self._test = test
        self._dataset = experiment.dataset()
        self._pictures = experiment.pictures()

    def exhibits(self) -> list[ReportCard]:
        """Heatmaps: of each category the surest right and the surest wrong assertion."""
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
        """The wrong assertions that the classifiers were surest of."""
        return [
            self._card(position, category, image=self._thumbnail(position))
            for position, category in self._surest_mistakes()
        ]

    def doubts(self, doubts: list[Doubt]) -> list[ReportCard]:
        """The most doubtful labels of pictures that are not among the mistakes."""
        shown = {position for position, _ in self._surest_mistakes()}
        others = [doubt for doubt in doubts if doubt.position not in shown]
        return [self._doubt(doubt) for doubt in others[:MOST_DOUBTS]]

    def _surest_mistakes(self) -> list[tuple[int, int]]:
        """Position and category of each."""
        said = asserted(self._test.probabilities, self._dataset.kind)
        wrong = np.argwhere(said & ~self._test.targets)
        surest = np.argsort(-self._test.probabilities[wrong[:, 0], wrong[:, 1]], kind="stable")
        return [(position, category) for position, category in wrong[surest[:MOST_MISTAKES]]]

    def _exhibits(self) -> list[tuple[int, Exhibit, Path]]:
        """All that the folds have saved, with positions in the predictions of all of them."""
        found, offset = [], 0
        for number in range(self._experiment.config().folds):
            test = self._experiment.predictions(number)
            folder = self._experiment.split(number) / "heatmaps"
            for exhibit in choose_exhibits(test, self._dataset.categories, self._dataset.kind):
                found.append((offset + exhibit.position, exhibit, folder / exhibit.file))
            offset += len(test.keys)
        return found

    def _doubt(self, doubt: Doubt) -> ReportCard:
        return ReportCard(
            image=self._thumbnail(doubt.position),
            said=self._suggestion(doubt),
            probability=doubt.suggested_probability,
            is_right=False,
            **self._known(doubt.position),
        )

    def _suggestion(self, doubt: Doubt) -> str:
        categories = self._dataset.categories
        if doubt.suggested is None:
            return f"not {categories[doubt.given or 0]}"
        also = "" if self._dataset.kind == "single" else "also "
        return also + categories[doubt.suggested]

    def _card(self, position: int, category: int, *, image: str) -> ReportCard:
        return ReportCard(
            image=image,
            said=self._dataset.categories[category],
            probability=float(self._test.probabilities[position, category]),
            is_right=bool(self._test.targets[position, category]),
            **self._known(position),
        )

    def _known(self, position: int) -> dict[str, str]:
        key = self._test.keys[position]
        labels = np.flatnonzero(self._test.targets[position])
        is_file = self._dataset.picture_source == "folder"
        return {
            "key": key,
            "page": "" if is_file else RECORD_PAGE + key,
            "true": ", ".join(self._dataset.categories[i] for i in labels),
        }

    def _thumbnail(self, position: int) -> str:
        path = self._pictures.get(self._test.keys[position])
        return thumbnail(path) if path else ""
