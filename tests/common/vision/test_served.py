"""What runtimes serve: copies of it share nothing that a device could move away."""

import numpy as np
import torch
from torch import nn

from common.vision.preprocessing import Preprocessing
from common.vision.served import REFERENCE_BATCH, Served, ServedNetwork


class _Mean(ServedNetwork):
    def finish(self, answers: torch.Tensor) -> torch.Tensor:
        return answers.mean(0)


def flat() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_rows_are_those_of_the_network_whatever_the_number_of_pictures() -> None:
    network = _Mean([flat()], Preprocessing(size=4, mean=(0, 0, 0), std=(1, 1, 1)))
    served = Served(title="flat", sha256="", size=4, network=network)
    pictures = torch.randint(0, 256, (2 * REFERENCE_BATCH + 1, 3, 4, 4), dtype=torch.uint8)
    expected = (pictures.float() / 255).mean((2, 3))
    np.testing.assert_allclose(served.rows(pictures), expected, rtol=1e-5)


def test_the_same_with_other_members_leaves_the_first_as_it_was() -> None:
    first = _Mean([flat()], Preprocessing(size=4))
    second = first.with_members([nn.Flatten(), nn.Flatten()])
    assert [len(first.members), len(second.members)] == [1, 2]
    second.double()
    assert {each.dtype for each in first.buffers()} == {torch.float32}
    assert not second.training
