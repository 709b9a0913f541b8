"""Runtimes agree with the model, and live with little memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from common.errors import ModelError
from common.vision.model import Model
from common.vision.runtimes import TorchRuntime
from common.vision.runtimes.onnx_export import fused
from common.vision.runtimes.torch_runtime import CUDA_SIZES
from common.vision.saved_model import load_bundle
from tests.common.vision.models import model_of, save_three

CPU = torch.device("cpu")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model of two members, 32 pixels, three classes."""
    return load_bundle(tmp_path / "m", save_three(tmp_path / "m"))


@pytest.fixture
def batch() -> torch.Tensor:
    """Eleven random pictures."""
    return torch.randint(0, 256, (11, 3, 32, 32), dtype=torch.uint8)


def test_the_cpu_runtime_agrees_with_the_model(model: Model, batch: torch.Tensor) -> None:
    expected = model.probabilities(batch)
    runtime = TorchRuntime(model.served, CPU)
    np.testing.assert_allclose(runtime.rows(batch), expected, atol=1e-5)
    assert runtime.name == "torch-cpu"


def test_fusing_changes_the_speed_and_not_the_model(tmp_path: Path, batch: torch.Tensor) -> None:
    model = model_of("resnet18", tmp_path / "m")
    expected = model.probabilities(batch)
    np.testing.assert_allclose(TorchRuntime(model.served, CPU).rows(batch), expected, atol=1e-5)
    assert not any(
        isinstance(each, nn.BatchNorm2d) for each in fused(model.served.network).modules()
    )
    np.testing.assert_array_equal(model.probabilities(batch), expected)  # it fused a copy


def test_the_cuda_runtime_agrees_with_the_model(model: Model, batch: torch.Tensor) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    expected = model.probabilities(batch)
    runtime = TorchRuntime(model.served, torch.device("cuda"))
    np.testing.assert_allclose(runtime.rows(batch), expected, atol=1e-4)


class _SmallMemory(torch.nn.Module):
    """A predictor on a device that holds `capacity` pictures."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.sizes: list[int] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(batch))
        if len(batch) > self.capacity:
            raise torch.OutOfMemoryError
        return batch[:, :, 0, 0].float()


def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    model: Model, batch: torch.Tensor
) -> None:
    predictor = _SmallMemory(capacity=3)
    runtime = TorchRuntime(model.served, CPU)
    runtime._network = predictor
    np.testing.assert_array_equal(runtime.rows(batch), batch[:, :, 0, 0])
    assert predictor.sizes[:3] == [11, 5, 2]
    predictor.sizes.clear()
    runtime.rows(batch)
    assert predictor.sizes == [2, 2, 2, 2, 2, 1]  # learned, not tried again


def test_a_device_too_small_for_one_picture_is_a_model_error(
    model: Model, batch: torch.Tensor
) -> None:
    predictor = _SmallMemory(capacity=0)
    runtime = TorchRuntime(model.served, CPU)
    runtime._network = predictor
    with pytest.raises(ModelError, match="does not fit into the memory"):
        runtime.rows(batch)


def test_no_picture_gives_no_row(model: Model) -> None:
    empty = torch.zeros((0, 3, 32, 32), dtype=torch.uint8)
    assert TorchRuntime(model.served, CPU).rows(empty).shape == (0, 3)


def test_a_runtime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    code = (
        "from common.vision.runtimes.choice import silence_telemetry; silence_telemetry();"
        "import onnxruntime"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not list(tmp_path.iterdir())  # where it would keep the ID of the device


@pytest.mark.parametrize(
    "short",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: out of memory"),  # page-locked memory
    ],
)
def test_memory_that_is_short_in_another_form_halves_too_and_is_tried_again_later(
    model: Model, batch: torch.Tensor, monkeypatch: pytest.MonkeyPatch, short: RuntimeError
) -> None:
    class Short(_SmallMemory):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            try:
                return super().forward(batch)
            except torch.OutOfMemoryError:
                raise short from None

    runtime = TorchRuntime(model.served, CPU)
    runtime._network = predictor = Short(capacity=6)
    runtime.rows(batch)
    assert predictor.sizes == [11, 5, 5, 1]
    runtime._halved_until = 0.0  # the minutes are over, and others have left the device
    predictor.capacity = 11
    predictor.sizes.clear()
    np.testing.assert_array_equal(runtime.rows(batch), batch[:, :, 0, 0])
    assert predictor.sizes == [11]


def test_a_card_sees_batches_of_few_sizes_and_rows_are_those_of_the_pictures(
    model: Model, batch: torch.Tensor
) -> None:
    runtime = TorchRuntime(model.served, CPU)
    runtime._network = predictor = _SmallMemory(capacity=64)
    runtime._sizes = CUDA_SIZES
    for count in (1, 11, 33, 64):
        pictures = batch.repeat(6, 1, 1, 1)[:count]
        np.testing.assert_array_equal(runtime.rows(pictures), pictures[:, :, 0, 0])
    assert predictor.sizes == [32, 32, 64, 64]
    predictor.sizes.clear()
    runtime.rows(batch.repeat(7, 1, 1, 1))
    assert predictor.sizes == [128, 64, 32]  # halved as it was padded
