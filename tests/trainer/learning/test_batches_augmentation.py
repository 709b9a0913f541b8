"""Augmentation changes pictures, and no more than it is told to."""

import pytest
import torch

from trainer.learning.batches import augment


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch() -> torch.Tensor:
    """Eight pictures: bright on the left, dark on the right."""
    pictures = torch.full((8, 3, 32, 32), 40, dtype=torch.uint8)
    pictures[..., :16] = 200
    return pictures


def test_strength_0_leaves_the_pictures_as_they_are(batch: torch.Tensor) -> None:
    assert augment(batch, strength=0, generator=_generator()) is batch


def test_the_seed_decides(batch: torch.Tensor) -> None:
    one, same, other = (augment(batch, strength=0.5, generator=_generator(s)) for s in (3, 3, 4))
    assert one.dtype == torch.uint8
    assert one.shape == batch.shape
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_each_picture_is_changed_differently(batch: torch.Tensor) -> None:
    changed = augment(batch, strength=1, generator=_generator())
    assert len({picture.numpy().tobytes() for picture in changed}) == len(batch)


def test_pictures_come_back_at_the_size_asked_for(batch: torch.Tensor) -> None:
    for strength in (0, 0.5):
        assert augment(batch, strength=strength, generator=_generator(), size=24).shape[2:] == (
            24,
            24,
        )
    # Unchanged but for the size: still bright on the left, dark on the right.
    smaller = augment(batch, strength=0, generator=_generator(), size=16)
    assert (smaller[..., :7] == 200).all()
    assert (smaller[..., 9:] == 40).all()


def test_colours_change_as_well(batch: torch.Tensor) -> None:
    changed = augment(batch, strength=0.5, generator=_generator()).float()
    assert (changed.amax(1) - changed.amin(1)).amax((1, 2)).min() > 0  # grey before


def test_about_half_of_the_pictures_are_mirrored(batch: torch.Tensor) -> None:
    many = batch[:1].repeat(400, 1, 1, 1)
    changed = augment(many, strength=0.1, generator=_generator()).float().mean(1)
    mirrored = changed[..., :8].mean((1, 2)) < changed[..., -8:].mean((1, 2))
    assert 160 < mirrored.sum() < 240


def test_more_strength_changes_more(batch: torch.Tensor) -> None:
    same = batch.float().mean(dim=(0, 3), keepdim=True).round().to(torch.uint8).expand_as(batch)
    weak, strong = (
        (augment(same, strength=s, generator=_generator()).float() - same.float()).abs().mean()
        for s in (0.1, 1.0)
    )
    assert 0 < weak < strong
