"""The gallery: which pictures are shown, and under which names."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.vision.kinds import Kind
from trainer.experiment import Experiment
from trainer.report.gallery import choose_exhibits, heatmap_pair, thumbnail
from trainer.scoring.predictions import Predictions


def _predictions(targets: list[list[int]], probabilities: list[list[float]]) -> Predictions:
    return Predictions(
        keys=tuple(f"/1/{i}" for i in range(len(targets))),
        targets=np.array(targets, dtype=np.bool_),
        probabilities=np.array(probabilities, dtype=np.float32),
    )


def test_the_surest_right_and_wrong_of_each_category_are_chosen() -> None:
    predictions = _predictions(
        [[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]],
        [[0.7, 0.3], [0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6]],
    )
    chosen = choose_exhibits(predictions, ("map", "toy"), "single")
    assert [(each.position, each.category, each.is_right) for each in chosen] == [
        *((1, 0, True), (2, 0, False), (4, 1, True))
    ]
    assert [each.file for each in chosen] == [
        *("right_map_1_1_1.png", "wrong_map_is_toy_2_1_2.png", "right_toy_4_1_4.png")
    ]


def test_of_several_categories_all_asserted_ones_are_shown() -> None:
    predictions = _predictions([[1, 0, 1], [0, 1, 0]], [[0.9, 0.6, 0.7], [0.1, 0.4, 0.2]])
    chosen = choose_exhibits(predictions, ("a", "b", "c"), "multi")
    assert [(each.category, each.is_right) for each in chosen] == [
        *((0, True), (1, False), (2, True))
    ]
    assert chosen[1].file == "wrong_b_is_a+c_0_1_0.png"


def test_a_label_cannot_leave_the_folder() -> None:
    predictions = _predictions([[1, 0]], [[0.1, 0.9]])
    (exhibit,) = choose_exhibits(predictions, ("../../etc", "/" + 300 * "x"), "single")
    assert "/" not in exhibit.file
    assert len(exhibit.file) < 255


def test_nobody_waits_for_a_pipe_in_place_of_a_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert thumbnail(tmp_path / "pipe.png") == heatmap_pair(tmp_path / "pipe.png") == ""


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_every_exhibit_is_a_picture_beside_its_heatmap(
    finished: dict[Kind, Experiment], kind: Kind
) -> None:
    experiment = finished[kind]
    chosen = choose_exhibits(experiment.predictions(0), experiment.dataset().categories, kind)
    files = {path.name for path in (experiment.split(0) / "heatmaps").iterdir()}
    assert files == {exhibit.file for exhibit in chosen}
    assert {name.split("_")[0] for name in files} == {"right", "wrong"}
    with Image.open(experiment.split(0) / "heatmaps" / chosen[0].file) as image:
        assert image.size == (64, 32)
