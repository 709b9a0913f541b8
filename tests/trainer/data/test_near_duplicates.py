"""Which pictures count as the same, and which do not."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from common.vision.answers.heads import halved
from common.vision.preprocessing import Preprocessing
from tests.trainer.pictures import draw
from trainer.data.near_duplicates import (
    MAX_DISTANCE,
    group_near_duplicates,
    grouped,
    hash_pictures,
    pairs_by_embedding,
)

SIDE = 128


def _photograph(seed: int) -> Image.Image:
    """Blots of all sizes, softer than the drawings: as many frequencies as a photograph has."""
    chance = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(noise).resize((SIDE, SIDE)), dtype=np.float64) * 8 / side
        for side in (8, 16, 32)
        for noise in [chance.integers(0, 255, (side, side, 3), dtype=np.uint8)]
    ]
    whole = sum(layers[1:], layers[0])
    return Image.fromarray((whole / whole.max() * 255).astype(np.uint8))


def _compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


def _stack(*images: Image.Image) -> torch.Tensor:
    return torch.stack([Preprocessing(size=SIDE).to_uint8(image) for image in images])


@pytest.mark.parametrize(
    "changed",
    [
        _compressed,
        lambda image: image.resize((SIDE // 2, SIDE // 2)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.7),
        lambda image: image.convert("L"),
        lambda image: image.crop((1, 1, SIDE - 1, SIDE - 1)),
    ],
    ids=["compressed", "halved", "darker", "without colour", "cut"],
)
def test_a_changed_copy_is_a_near_duplicate(changed: Callable[[Image.Image], Image.Image]) -> None:
    originals = [_photograph(seed) for seed in range(10)]
    groups = group_near_duplicates(_stack(*originals, *map(changed, originals)))
    assert groups[:10].tolist() == groups[10:].tolist()
    assert len(set(groups.tolist())) == 10


@pytest.mark.parametrize("category", ["map", "textile", "toy"])
def test_drawings_of_the_same_thing_are_no_near_duplicates(category: str) -> None:
    drawings = [draw(category, seed) for seed in range(30)]
    assert len(set(group_near_duplicates(_stack(*drawings)).tolist())) == 30


def test_near_duplicates_of_near_duplicates_are_in_one_group() -> None:
    cuts = [_photograph(0).crop((cut, 0, SIDE, SIDE)) for cut in range(0, 9)]
    pictures = _stack(*cuts, _photograph(1))
    first, *_, last, _ = bits = np.unpackbits(hash_pictures(pictures).view(np.uint8), axis=1)
    assert len(bits) == 10
    assert (first != last).sum() > MAX_DISTANCE
    assert group_near_duplicates(pictures).tolist() == [0] * 9 + [1]


def test_blank_pictures_are_near_duplicates_of_each_other_alone() -> None:
    blank = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("white", "white", "black")]
    assert group_near_duplicates(_stack(_photograph(0), *blank)).tolist() == [0, 1, 1, 1]


def test_every_pair_is_compared_however_the_work_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [_photograph(seed % 7) for seed in range(30)]
    whole = group_near_duplicates(_stack(*images)).tolist()
    monkeypatch.setattr("trainer.data.near_duplicates._PAIRS", 64)
    monkeypatch.setattr("trainer.data.near_duplicates._PICTURES", 4)
    assert (
        group_near_duplicates(_stack(*images)).tolist() == whole == [seed % 7 for seed in range(30)]
    )


def test_embeddings_that_point_the_same_way_are_near() -> None:
    """More than are compared at a time, so that pairs lie within and between blocks."""
    vectors = np.random.default_rng(0).normal(size=(3000, 40)).astype(np.float32)
    for copy, like in ((5, 4), (1500, 3), (2999, 1023)):
        vectors[copy] = 2 * vectors[like] + 0.05
    pairs = pairs_by_embedding(halved(vectors))
    assert pairs is not None
    assert sorted(map(tuple, pairs.tolist())) == [(3, 1500), (4, 5), (1023, 2999)]


def test_pairs_of_pairs_are_one_group() -> None:
    groups = grouped(np.array([[0, 2], [2, 4], [1, 5]]), 6)
    assert groups[0] == groups[2] == groups[4]
    assert groups[1] == groups[5]
    assert len(set(groups.tolist())) == 3


def test_one_large_group_of_copies_takes_few_pairs_and_hides_no_other() -> None:
    vectors = np.random.default_rng(0).normal(size=(3000, 40)).astype(np.float32)
    vectors[100:500] = vectors[99]
    vectors[2999] = vectors[7]
    pairs = pairs_by_embedding(halved(vectors))
    assert pairs is not None
    assert len(pairs) < 400 * 40
    groups = grouped(pairs, len(vectors))
    assert len(set(groups[99:500].tolist())) == 1
    assert groups[2999] == groups[7]
    assert len(set(groups.tolist())) == 3000 - 400 - 1


def test_where_most_pictures_are_near_another_embeddings_tell_nothing() -> None:
    cone = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32) + 10
    assert pairs_by_embedding(halved(cone)) is None
