"""A heatmap for each prediction of a chunk. Needs the extra `explain`."""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from PIL import Image

from common.errors import DeviceError, ModelError
from common.vision.heatmap import HeatmapMaker, side_by_side
from common.vision.model import Model
from common.vision.network import is_out_of_memory
from worker import metrics
from worker.enrich import heatmap_files
from worker.enrich.pipeline import ChunkOutcome
from worker.ledger.predictions import RecordPrediction

AT_A_TIME = 8  # pictures whose activations are in memory; a lost lease is noticed after them
JPEG_QUALITY = 85
TOO_LITTLE_MEMORY = "no heatmap: the memory of the device is too small"

log = structlog.get_logger()


def explain(
    outcome: ChunkOutcome,
    models: Mapping[int, Callable[[], Model]],
    folder: Path,
    *,
    on_record: Callable[[], None],
) -> None:
    """Store a heatmap of each prediction in a folder, and its digest in the outcome.

    `models` bring those that the predictions are of to the device, by their number.

    If a model or one picture of it does not fit into the device's memory, or the pictures are too
    small for heatmaps, that is logged and none are made.
    `on_record` is called after every few pictures; an error from it ends the work.

    Pictures that do not fit into the device's memory are tried alone, and then get none.

    Raises:
        DeviceError: PyTorch fails.
        EnrichmentError: the folder cannot be written to.
    """
    for model_id, load in models.items():
        ready = _ready(load)
        if ready is None:
            continue
        for some in _parts(outcome, model_id):
            with metrics.timed("explain"):
                contents = _heatmaps(some, outcome.pictures, *ready)
                for each, content in zip(some, contents, strict=True):
                    if content:
                        outcome.heatmaps[each.key] = heatmap_files.keep(folder, content)
            on_record()


def _ready(load: Callable[[], Model]) -> tuple[Model, HeatmapMaker] | None:
    try:
        model = load()
        return model, HeatmapMaker(model.classifiers(), model.description.preprocessing)
    except ModelError as error:
        log.warning("heatmaps cannot be made for this model", reason=str(error))
    except RuntimeError as error:
        _refuse_unless_out_of_memory(error)
        log.warning(TOO_LITTLE_MEMORY)
    return None


def _refuse_unless_out_of_memory(error: RuntimeError) -> None:
    if not is_out_of_memory(error):
        raise DeviceError(f"PyTorch cannot make heatmaps: {error}") from error


def _parts(outcome: ChunkOutcome, model_id: int) -> Iterator[list[RecordPrediction]]:
    said = (each for each in outcome.predicted.values() if each.model_id == model_id)
    predictions = [prediction for each in said for prediction in each.predictions]
    for start in range(0, len(predictions), AT_A_TIME):
        yield predictions[start : start + AT_A_TIME]


def _heatmaps(
    predictions: list[RecordPrediction],
    pictures: dict[str, torch.Tensor],
    model: Model,
    maker: HeatmapMaker,
) -> Iterator[bytes | None]:
    seen = torch.stack([pictures[each.image_url] for each in predictions])
    outputs = model.description.concept_uris
    labels = [outputs.index(each.concept_uri) for each in predictions]
    heats = _heats(maker, seen, labels)
    for picture, heat in zip(seen, heats, strict=True):
        yield None if heat is None else _jpeg(side_by_side(picture, heat))


def _heats(
    maker: HeatmapMaker, pictures: torch.Tensor, labels: list[int]
) -> list[NDArray[np.float32] | None]:
    """None for a picture that does not fit into the memory of the device, not even alone."""
    try:
        return list(maker.heatmaps(pictures, labels))
    except RuntimeError as error:
        _refuse_unless_out_of_memory(error)
    if len(labels) == 1:
        log.warning(TOO_LITTLE_MEMORY)
        return [None]
    alone = zip(torch.split(pictures, 1), labels, strict=True)
    return [heat for picture, label in alone for heat in _heats(maker, picture, [label])]


def _jpeg(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()
