"""Augmentation changes pictures, and no more than it is told to."""

import pytest
import torch

from trainer.learning.batches import Changes, augment, changes_of


def changed(
    batch: torch.Tensor, *, strength: float, seed: int = 0, size: int | None = None
) -> torch.Tensor:
    """The batch, augmented as the only one of an epoch."""
    generator = torch.Generator().manual_seed(seed)
    (changes,) = changes_of([batch], strength=strength, generator=generator, device=batch.device)
    return augment(batch, changes, strength=strength, size=size)


def test_an_epoch_is_drawn_batch_by_batch(batch: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = changes_of(
        [batch[:5], batch[5:]], strength=0.5, generator=generator, device=batch.device
    )
    generator = torch.Generator().manual_seed(3)
    for size, found in ((5, first), (3, second)):
        expected = Changes.drawn(size, strength=0.5, generator=generator)
        for name, tensor in vars(expected).items():
            assert torch.equal(getattr(found, name), tensor)


@pytest.fixture
def batch() -> torch.Tensor:
    """Eight pictures: bright on the left, dark on the right."""
    pictures = torch.full((8, 3, 32, 32), 40, dtype=torch.uint8)
    pictures[..., :16] = 200
    return pictures


def test_strength_0_leaves_the_pictures_as_they_are(batch: torch.Tensor) -> None:
    assert changed(batch, strength=0) is batch


def test_the_seed_decides(batch: torch.Tensor) -> None:
    one, same, other = (changed(batch, strength=0.5, seed=s) for s in (3, 3, 4))
    assert one.dtype == torch.uint8
    assert one.shape == batch.shape
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_each_picture_is_changed_differently(batch: torch.Tensor) -> None:
    found = changed(batch, strength=1)
    assert len({picture.numpy().tobytes() for picture in found}) == len(batch)


def test_pictures_come_back_at_the_size_asked_for(batch: torch.Tensor) -> None:
    for strength in (0, 0.5):
        assert changed(batch, strength=strength, size=24).shape[2:] == (
            24,
            24,
        )
    # Unchanged but for the size: still bright on the left, dark on the right.
    smaller = changed(batch, strength=0, size=16)
    assert (smaller[..., :7] == 200).all()
    assert (smaller[..., 9:] == 40).all()


def test_colours_change_as_well(batch: torch.Tensor) -> None:
    found = changed(batch, strength=0.5).float()
    assert (found.amax(1) - found.amin(1)).amax((1, 2)).min() > 0  # grey before


def test_about_half_of_the_pictures_are_mirrored(batch: torch.Tensor) -> None:
    many = batch[:1].repeat(400, 1, 1, 1)
    found = changed(many, strength=0.1).float().mean(1)
    mirrored = found[..., :8].mean((1, 2)) < found[..., -8:].mean((1, 2))
    assert 160 < mirrored.sum() < 240


def test_more_strength_changes_more(batch: torch.Tensor) -> None:
    same = batch.float().mean(dim=(0, 3), keepdim=True).round().to(torch.uint8).expand_as(batch)
    weak, strong = (
        (changed(same, strength=s).float() - same.float()).abs().mean() for s in (0.1, 1.0)
    )
    assert 0 < weak < strong
