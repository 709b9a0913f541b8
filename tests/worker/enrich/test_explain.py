"""Heatmaps of a chunk's predictions."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageChops, ImageStat
from structlog.testing import capture_logs
from torch import nn

from common.errors import DeviceError
from common.vision.heatmap import HeatmapMaker
from common.vision.model import Model, Predictor
from common.vision.preprocessing import Preprocessing
from tests.common.vision.models import MAP, PAINTING, SIZE, model_of
from tests.worker.ledger_rows import predictions
from worker.enrich import explain as explaining
from worker.enrich.explain import explain
from worker.enrich.heatmap_files import relative_path
from worker.enrich.pipeline import ChunkOutcome
from worker.ledger.predictions import PredictedRecord, RecordPrediction


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return model_of("squeezenet1_1", tmp_path / "model", members=2)


def seen(count: int) -> ChunkOutcome:
    """So many records; each picture shows a map, the first a painting as well."""
    drawn = torch.rand((count, 3, 4, 4), generator=torch.Generator().manual_seed(0)) * 255
    pictures = nn.functional.interpolate(drawn, size=SIZE, mode="bilinear").byte()
    return ChunkOutcome(
        predicted={f"/1/r{number}": answered(number) for number in range(count)},
        pictures={url(number): picture for number, picture in enumerate(pictures)},
    )


def answered(number: int) -> PredictedRecord:
    concepts = (MAP, PAINTING) if number == 0 else (MAP,)
    return PredictedRecord(
        record_id=f"/1/r{number}",
        model_id=1,
        data_provider="",
        confidence=0.9,
        is_unlike=False,
        predictions=tuple(predicted(number, concept) for concept in concepts),
    )


def predicted(number: int, concept: str) -> RecordPrediction:
    return RecordPrediction(
        record_id=f"/1/r{number}",
        concept_uri=concept,
        confidence=0.9,
        source="media",
        image_url=url(number),
        seen_at=datetime(2026, 11, 25, tzinfo=UTC),
    )


def url(number: int) -> str:
    return f"http://m.example/../../{number}.jpg"


def ignore() -> None:
    """Nobody wants to know."""


def test_each_prediction_gets_the_heatmap_of_its_picture_and_concept(
    model: Model, tmp_path: Path
) -> None:
    outcome = seen(20)
    explain(outcome, {1: lambda: model}, tmp_path / "kept", on_record=ignore)
    found = {each.key: each for each in predictions(outcome)}
    assert outcome.heatmaps.keys() == found.keys()
    assert len(set(outcome.heatmaps.values())) == 21
    maker = HeatmapMaker(model.classifiers(), model.description.preprocessing)
    for each in (found["/1/r0", MAP], found["/1/r0", PAINTING], found["/1/r19", MAP]):
        picture = outcome.pictures[each.image_url]
        heats = maker.heatmaps(torch.stack([picture, picture]), [0, 1])
        with Image.open(tmp_path / "kept" / relative_path(outcome.heatmaps[each.key])) as kept:
            off = [difference(kept, explaining.side_by_side(picture, heat)) for heat in heats]
        output = model.description.concept_uris.index(each.concept_uri)
        assert off[output] < 8 < off[1 - output]  # of 255; JPEG loses some


def difference(first: Image.Image, second: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(first, second)).mean)


def test_the_same_chunk_again_leaves_no_other_files(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    for _ in range(2):
        explain(seen(3), {1: lambda: model}, folder, on_record=ignore)
    assert len(list(folder.rglob("*.*"))) == 4


def test_a_lost_lease_ends_the_work_between_batches(model: Model, tmp_path: Path) -> None:
    class LostError(Exception):
        pass

    def lose() -> None:
        raise LostError

    outcome = seen(20)
    with pytest.raises(LostError):
        explain(outcome, {1: lambda: model}, tmp_path / "kept", on_record=lose)
    assert len(list((tmp_path / "kept").rglob("*.*"))) == explaining.AT_A_TIME


class _Breaking(nn.Sequential):
    """Its device breaks at some look; the first is to find its layers."""

    def __init__(self, *layers: nn.Module, breaks_at: int) -> None:
        super().__init__(*layers)
        self.looks, self.breaks_at = 0, breaks_at

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.looks += 1
        if self.looks == self.breaks_at:
            raise RuntimeError("CUDA error: an illegal memory access")
        return super().forward(pictures)


@pytest.mark.parametrize("breaks_at", [1, 2])
def test_a_device_that_breaks_blames_no_record(
    model: Model, tmp_path: Path, breaks_at: int
) -> None:
    layers = nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    predictor = Predictor([_Breaking(*layers, breaks_at=breaks_at)], model.description)
    broken = replace(model, served=replace(model.served, network=predictor))
    with pytest.raises(DeviceError, match="illegal memory"):
        explain(seen(2), {1: lambda: broken}, tmp_path / "kept", on_record=ignore)


def test_a_model_without_places_explains_nothing_and_says_so(model: Model, tmp_path: Path) -> None:
    tiny = replace(model.description, preprocessing=Preprocessing(size=1))
    classifier = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    served = replace(model.served, network=Predictor([classifier], tiny))
    answering = replace(model.answering, description=tiny)
    without = replace(model, answering=answering, served=served)
    outcome = seen(2)
    with capture_logs() as logs:
        explain(outcome, {1: lambda: without}, tmp_path / "kept", on_record=ignore)
    assert [entry["event"] for entry in logs] == ["heatmaps cannot be made for this model"]
    assert outcome.heatmaps == {}


class _Small(nn.Sequential):
    """Its device holds one picture of those that are bright enough, and no dark one."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > 1 or pictures.mean() < -1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().forward(pictures)


def test_where_memory_is_short_pictures_are_tried_alone_and_then_get_no_heatmap(
    model: Model, tmp_path: Path
) -> None:
    layers = nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    small = Predictor([_Small(*layers)], model.description)
    outcome = seen(4)
    outcome.pictures[url(2)] = torch.zeros((3, SIZE, SIZE), dtype=torch.uint8)
    with capture_logs() as logs:
        explain(
            outcome,
            {1: lambda: replace(model, served=replace(model.served, network=small))},
            tmp_path / "kept",
            on_record=ignore,
        )
    without = {each.key for each in predictions(outcome)} - outcome.heatmaps.keys()
    assert without == {("/1/r2", MAP)}
    assert [line["event"] for line in logs] == ["no heatmap: the memory of the device is too small"]


def test_a_model_that_does_not_fit_into_memory_explains_nothing_and_says_so(
    tmp_path: Path,
) -> None:
    def load() -> Model:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    outcome = seen(2)
    with capture_logs() as logs:
        explain(outcome, {1: load}, tmp_path / "kept", on_record=ignore)
    assert [line["event"] for line in logs] == ["no heatmap: the memory of the device is too small"]
    assert outcome.heatmaps == {}
