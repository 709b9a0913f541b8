"""A model with everything that a bundle may have."""

from pathlib import Path

import pytest
import torch

from common.vision.model import Model
from common.vision.network import compute_exactly
from common.vision.saved_model import load_bundle, save_bundle
from tests.common.vision.models import SIZE, THREE, members_of_three


@pytest.fixture(autouse=True, scope="session")
def _exact() -> None:
    """As each process of ours is; tests on a card name their device themselves."""
    compute_exactly()


@pytest.fixture
def batch() -> torch.Tensor:
    """Five random pictures."""
    return torch.randint(0, 256, (5, 3, SIZE, SIZE), dtype=torch.uint8)


@pytest.fixture
def tried(tmp_path: Path, batch: torch.Tensor) -> Model:
    """A model with a self-test of five pictures, in tmp_path / m."""
    states = [member.state_dict() for member in members_of_three(2)]
    sha256 = save_bundle(tmp_path / "m", THREE, states, self_test=batch)
    return load_bundle(tmp_path / "m", sha256)
