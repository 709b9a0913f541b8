"""Batches: full where pictures wait, small where none come, and every picture gets its own row."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from common.errors import DeviceError
from worker.batcher import Batcher


class Recording:
    """A runtime whose "probability" is the mean of the picture; remembers the batch sizes."""

    name = "recording"
    batch_size = 8
    tolerance = 0.0

    def __init__(self, streams: int = 1) -> None:
        self.streams = streams
        self.sizes: list[int] = []

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        self.sizes.append(len(batch))
        means: NDArray[np.float32] = batch.float().mean(dim=(2, 3)).numpy()
        return means


class Breaking(Recording):
    """A runtime that raises, or gives what `breaking` says, where it sees white."""

    def __init__(self, breaking: NDArray[np.float32] | None = None) -> None:
        super().__init__()
        self.breaking = breaking

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        if not bool((batch == 255).any()):
            return super().probabilities(batch)
        if self.breaking is None:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return self.breaking


def picture(value: int) -> torch.Tensor:
    return torch.full((3, 4, 4), value, dtype=torch.uint8)


def test_every_picture_gets_its_own_row() -> None:
    batcher = Batcher(Recording(streams=3), batch_size=8)
    batcher.start()
    with ThreadPoolExecutor(4) as pool:
        futures = list(pool.map(lambda value: batcher.submit(picture(value)), range(100)))
    assert [future.result()[0] for future in futures] == list(range(100))
    batcher.stop()


def test_waiting_pictures_fill_a_batch() -> None:
    runtime = Recording()
    batcher = Batcher(runtime, batch_size=8)
    futures = [batcher.submit(picture(value)) for value in range(20)]
    batcher.start()
    for future in futures:
        future.result()
    batcher.stop()
    assert runtime.sizes == [8, 8, 4]


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        (Breaking(), "recording failed: RuntimeError: CUDA error: unspecified launch failure"),
        (Breaking(np.full((2, 3), np.nan, dtype=np.float32)), r"2 pictures gave \(2, 3\), not all"),
        (Breaking(np.zeros((1, 3), dtype=np.float32)), r"2 pictures gave \(1, 3\)"),
    ],
)
def test_a_failure_of_the_runtime_reaches_all_who_wait_for_it(
    runtime: Breaking, reason: str
) -> None:
    batcher = Batcher(runtime, batch_size=2)
    futures = [batcher.submit(picture(value)) for value in (255, 1, 2, 3)]
    batcher.start()
    for future in futures[:2]:
        with pytest.raises(DeviceError, match=reason):
            future.result()
    assert [future.result()[0] for future in futures[2:]] == [2, 3]
    batcher.stop()


def test_stopping_classifies_what_is_queued() -> None:
    batcher = Batcher(Recording(), batch_size=4)
    futures = [batcher.submit(picture(value)) for value in range(6)]
    batcher.start()
    batcher.stop()
    assert all(future.done() for future in futures)


def test_all_streams_end_when_the_batcher_is_stopped() -> None:
    before = threading.active_count()
    batcher = Batcher(Recording(streams=3), batch_size=2)
    batcher.start()
    assert threading.active_count() == before + 3
    futures = [batcher.submit(picture(value)) for value in range(7)]
    batcher.stop()
    assert [future.result()[0] for future in futures] == list(range(7))
    assert threading.active_count() == before
