"""The evidence of a fold: measured, written and read back."""

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from common.errors import ModelError
from common.vision.answers.heads import Embeddings, halved
from common.vision.answers.likeness import likeness, most_references
from trainer.scoring.evidence import (
    FILE,
    Evidence,
    draw_references,
    measure_likenesses,
    read_evidence,
    write_evidence,
)


def drawn(count: int, seed: int, dimension: int = 8) -> Embeddings:
    chance = np.random.default_rng(seed)
    return halved(chance.normal(1, 1, size=(count, dimension)).astype(np.float32))


def evidence() -> Evidence:
    learned = drawn(40, 0)
    likenesses = measure_likenesses(
        learned,
        drawn(5, 1),
        [(drawn(10, 2), learned[:20]), (drawn(10, 3), learned[20:])],
        whole=40,
        seed=0,
    )
    logits = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    return Evidence(likenesses=likenesses, inner_logits=logits)


def test_evidence_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    written = evidence()
    write_evidence(tmp_path, written)
    found = read_evidence(tmp_path)
    assert written.likenesses is not None
    assert found.likenesses is not None
    for name, expected in vars(written.likenesses).items():
        np.testing.assert_array_equal(getattr(found.likenesses, name), expected)
    np.testing.assert_array_equal(found.inner_logits, written.inner_logits)


def test_what_there_is_not_stays_away(tmp_path: Path) -> None:
    write_evidence(tmp_path, Evidence())
    found = read_evidence(tmp_path)
    assert (found.likenesses, found.inner_logits) == (None, None)


def test_likeness_is_that_to_pictures_that_were_learned_from() -> None:
    found = evidence().likenesses
    assert found is not None
    learned = drawn(40, 0)
    np.testing.assert_array_equal(found.references, learned)
    np.testing.assert_array_equal(found.tested, likeness(drawn(5, 1), learned))
    np.testing.assert_array_equal(found.held_back[:10], likeness(drawn(10, 2), learned[:20]))


def test_too_few_pictures_tell_nothing() -> None:
    few, tested, enough = drawn(2, 0), drawn(5, 1), drawn(9, 2)
    assert measure_likenesses(few, tested, [(tested, enough)], whole=9, seed=0) is None
    assert measure_likenesses(enough, tested, [(tested, few)], whole=9, seed=0) is None
    assert measure_likenesses(enough, tested, [], whole=9, seed=0) is None


def test_of_many_pictures_as_many_are_kept_as_a_model_may_have() -> None:
    many = drawn(3000, 0)
    few = draw_references(many, seed=0)
    assert len(few) == most_references(8)
    assert len({row.tobytes() for row in few} - {row.tobytes() for row in many}) == 0
    np.testing.assert_array_equal(few, draw_references(many, seed=0))


def test_in_a_large_training_parts_are_compared_with_their_share_of_references() -> None:
    learned, rest = drawn(4000, 1), drawn(3200, 2)
    found = measure_likenesses(learned, drawn(5, 3), [(drawn(5, 4), rest)], whole=5000, seed=0)
    assert found is not None
    most = most_references(8)
    assert len(found.references) == most * 0.8
    few = draw_references(rest, whole=5000, seed=0)
    assert len(few) == most * 0.64
    np.testing.assert_array_equal(found.held_back, likeness(drawn(5, 4), few))


@pytest.mark.parametrize("damage", ["missing", "bytes", "names", "pipe"])
def test_damage_is_said(tmp_path: Path, damage: str) -> None:
    path = tmp_path / FILE
    if damage == "bytes":
        path.write_bytes(b"no tensors")
    elif damage == "names":
        path.write_bytes(safetensors.torch.save({"references": torch.from_numpy(drawn(5, 0))}))
    elif damage == "pipe":
        os.mkfifo(path)
    with pytest.raises(ModelError, match=FILE):
        read_evidence(tmp_path)
