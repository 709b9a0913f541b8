"""Lanes: buffers that are kept and never mixed up, on a CPU and, where there is one, on CUDA."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from common.vision.runtimes import TorchRuntime
from common.vision.runtimes.torch_runtime import HostBuffer, Lane
from tests.common.vision.models import SIZE, model_of

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    ),
]


def test_a_buffer_is_kept_for_whatever_is_not_larger() -> None:
    buffer = HostBuffer(pinned=False)
    places = {buffer.filled(torch.full((count, 3), count)).data_ptr() for count in (7, 2, 7)}
    assert len(places) == 1
    assert buffer.filled(torch.full((2, 3), 5)).tolist() == [[5, 5, 5], [5, 5, 5]]
    assert buffer.filled(torch.zeros(9, 3)).shape == (9, 3)
    assert buffer.filled(torch.zeros(2, 4, dtype=torch.uint8)).dtype == torch.uint8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_pinned_buffer_stays_pinned_when_it_grows() -> None:
    buffer = HostBuffer(pinned=True)
    assert all(buffer.filled(torch.zeros(count, 3)).is_pinned() for count in (2, 7, 3))


@pytest.mark.parametrize("name", DEVICES)
def test_what_a_lane_gave_stays_when_it_carries_the_next_batch(name: str) -> None:
    lane = Lane(torch.device(name))
    drawn = [torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8) for count in (5, 9, 1)]
    found = [lane.carry(batch, lambda pictures: pictures.float().mean((2, 3))) for batch in drawn]
    for batch, means in zip(drawn, found, strict=True):
        np.testing.assert_allclose(means, batch.float().mean((2, 3)), rtol=1e-5)


@pytest.mark.parametrize("name", DEVICES)
def test_threads_get_their_own_rows(name: str, tmp_path: Path) -> None:
    model = model_of("resnet18", tmp_path / "m")
    drawn = torch.Generator().manual_seed(0)
    batches = [
        torch.randint(0, 256, (1 + i % 7, 3, SIZE, SIZE), generator=drawn).byte() for i in range(40)
    ]
    expected = [model.probabilities(batch) for batch in batches]
    runtime = TorchRuntime(model.served, torch.device(name))
    with ThreadPoolExecutor(2 * runtime.streams) as pool:
        found = list(pool.map(runtime.rows, batches))
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=runtime.tolerance)


class _Crowd(torch.nn.Module):
    """A predictor that counts how many are inside at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.02)
        with self.lock:
            self.inside -= 1
        return batch[:, :, 0, 0].float()


def test_no_more_batches_are_under_way_than_there_are_streams(tmp_path: Path) -> None:
    runtime = TorchRuntime(model_of("squeezenet1_1", tmp_path / "m").served, torch.device("cpu"))
    runtime._network = crowd = _Crowd()
    batches = [torch.zeros((1, 3, SIZE, SIZE), dtype=torch.uint8)] * 4 * runtime.streams
    with ThreadPoolExecutor(2 * runtime.streams) as pool:
        list(pool.map(runtime.rows, batches))
    assert crowd.most == runtime.streams
