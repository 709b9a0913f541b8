"""Batches: full where pictures wait, small where none come, and every picture gets its own row."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import structlog
import torch
from numpy.typing import NDArray
from structlog.testing import capture_logs

from common.errors import DeviceError, RecordError
from common.reasons import Reason
from worker.enrich.batcher import Batcher


class Recording:
    """A runtime whose "probability" is the mean of the picture; remembers the batch sizes."""

    name = "recording"
    batch_size = 8
    tolerance = 0.0

    def __init__(self, streams: int = 1) -> None:
        self.streams = streams
        self.sizes: list[int] = []

    def rows(self, batch: torch.Tensor) -> NDArray[np.float32]:
        self.sizes.append(len(batch))
        means: NDArray[np.float32] = batch.float().mean(dim=(2, 3)).numpy()
        return means


class Breaking(Recording):
    """A runtime that raises, or gives the `wrong` rows, where it sees white; `dies` for good."""

    def __init__(self, wrong: NDArray[np.float32] | None = None, *, dies: bool = False) -> None:
        super().__init__()
        self.wrong = wrong
        self.dies = dies
        self.is_dead = False

    def rows(self, batch: torch.Tensor) -> NDArray[np.float32]:
        sees_white = bool((batch == 255).any())
        self.is_dead = self.is_dead or (self.dies and sees_white)
        if not sees_white and not self.is_dead:
            return super().rows(batch)
        if self.wrong is None:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return self.wrong


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


NO_NUMBERS = np.full((2, 3), np.nan, dtype=np.float32)
TOO_FEW = np.zeros((0, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (None, "recording failed: RuntimeError: CUDA error: unspecified launch failure"),
        (NO_NUMBERS, r"the network gave \(2, 3\) numbers, or some are not finite"),
        (TOO_FEW, r"the network gave \(0, 3\) numbers"),
    ],
)
def test_a_picture_that_the_runtime_fails_at_fails_alone(
    wrong: NDArray[np.float32] | None, reason: str
) -> None:
    batcher = Batcher(Breaking(wrong), batch_size=4)
    futures = [batcher.submit(picture(value)) for value in (1, 255, 2, 3)]
    batcher.start()
    with pytest.raises(RecordError, match=reason) as failure:
        futures[1].result()
    assert (failure.value.stage, failure.value.reason) == ("classify", Reason.RUNTIME_FAILED.code)
    assert [futures[place].result()[0] for place in (0, 2, 3)] == [1, 2, 3]
    batcher.stop()


@pytest.mark.parametrize("wrong", [None, NO_NUMBERS])
def test_a_device_that_fails_for_good_is_told_to_all_who_wait(
    wrong: NDArray[np.float32] | None,
) -> None:
    batcher = Batcher(Breaking(wrong, dies=True), batch_size=2)
    futures = [batcher.submit(picture(value)) for value in (1, 255, 2, 3)]
    batcher.start()
    for future in futures:
        with pytest.raises(DeviceError, match="recording failed"):
            future.result()
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


def test_the_log_of_a_failure_names_each_chunk_of_the_batch() -> None:
    batcher = Batcher(Breaking(), batch_size=8)
    futures = []
    for chunk, values in ((7, (1, 255)), (8, (2,))):
        with structlog.contextvars.bound_contextvars(job="a", chunk=chunk):
            futures += [batcher.submit(picture(value)) for value in values]
    with capture_logs() as logs:
        batcher.start()
        batcher.stop()
    assert [future.exception() is None for future in futures] == [True, False, True]
    told = [(line["job"], line["chunk"], line["pictures"]) for line in logs]
    assert told == [("a", 7, 2), ("a", 8, 1)]
    assert all(line["exc_info"] for line in logs)


class Blind(Recording):
    """A runtime that gives no number for black."""

    def rows(self, batch: torch.Tensor) -> NDArray[np.float32]:
        rows = super().rows(batch)
        rows[rows == 0] = np.nan
        return rows


def test_a_picture_without_numbers_is_computed_again_without_its_batch() -> None:
    runtime = Blind()
    batcher = Batcher(runtime, batch_size=4)
    futures = [batcher.submit(picture(value)) for value in (1, 0, 2, 3)]
    batcher.start()
    with pytest.raises(DeviceError, match="some are not finite"):
        futures[1].result()  # black is what the device is tried with
    batcher.stop()
    assert [futures[place].result()[0] for place in (0, 2, 3)] == [1, 2, 3]
    assert runtime.sizes == [4, 1, 1]
