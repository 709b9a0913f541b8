"""The choice of the runtime: the fastest installed one that agrees with the model."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from common.errors import DeviceError, EnrichmentError, ModelError, UsageError
from common.vision.model import SELF_TEST_FEW, Model
from common.vision.network import pick_device
from common.vision.runtimes.agreement import check_agreement
from common.vision.runtimes.interface import FLOAT32_TOLERANCE, INT8_TOLERANCE, Runtime
from common.vision.runtimes.onnx_export import exported
from common.vision.runtimes.torch_runtime import TorchRuntime

RuntimeName = Literal["torch", "onnx", "openvino", "onnx-int8", "openvino-int8"]
FLOAT32: tuple[RuntimeName, ...] = ("torch", "onnx", "openvino")
INT8: tuple[RuntimeName, ...] = ("onnx-int8", "openvino-int8")  # on request only
_EXTRAS: dict[RuntimeName, tuple[str, ...]] = {
    "torch": (),
    "onnx": ("onnx",),
    "openvino": ("openvino",),
    "onnx-int8": ("onnx",),
    "openvino-int8": ("onnx", "openvino"),  # OpenVINO reads the file that ONNX Runtime quantised
}
_PACKAGES = {"onnx": ("onnxruntime", "onnxscript"), "openvino": ("openvino", "onnxscript")}
RuntimeChoice = Literal["auto"] | RuntimeName
MEASURED_SECONDS = 1.5  # for all candidates together
MEASURED_PICTURES = 8  # in a batch
RANDOM_PICTURES = 8  # for the comparison, if a model has no self-test
log = structlog.get_logger()


def is_installed(name: RuntimeName) -> bool:
    """Whether the packages of a runtime are installed."""
    packages = [package for extra in _EXTRAS[name] for package in _PACKAGES[extra]]
    return all(find_spec(package) is not None for package in packages)


def open_runtime(name: RuntimeName, model: Model, cache_dir: Path) -> Runtime:
    """A runtime for the model.

    Raises:
        UsageError: it is not installed.
        ModelError: it cannot compute this model.
        DeviceError: PyTorch fails on this device.
    """
    if not is_installed(name):
        extras = ",".join(_EXTRAS[name])
        raise UsageError(f"The runtime {name} is not installed: pip install '.[worker,{extras}]'.")
    if name == "torch":
        with failures(name, DeviceError):
            return TorchRuntime(model)
    with failures(name, ModelError):
        return _open_on_cpu(name, model, cache_dir)


def silence_telemetry() -> None:
    """Switch off the telemetry of ONNX Runtime and OpenVINO; call it before importing them."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # OpenVINO has a stub


@contextmanager
def failures(name: str, kind: type[EnrichmentError]) -> Iterator[None]:
    """Turn foreign errors of a runtime into errors of this kind."""
    try:
        yield
    except EnrichmentError:
        raise
    except Exception as error:  # runtimes raise errors of any type
        raise kind(f"The runtime {name} failed: {type(error).__name__}: {error}") from error


def _open_on_cpu(name: RuntimeName, model: Model, cache_dir: Path) -> Runtime:
    """ONNX Runtime or OpenVINO. Both read the same file, in float32 or int8."""
    silence_telemetry()
    if name in INT8:
        from common.vision.runtimes.int8 import quantised  # an extra

        graph, tolerance = quantised(model, cache_dir), INT8_TOLERANCE
    else:
        graph, tolerance = exported(model, cache_dir), FLOAT32_TOLERANCE
    if name.startswith("onnx"):
        from common.vision.runtimes.cpu_runtimes import OnnxRuntime  # an extra

        return OnnxRuntime(graph, name=f"{name}-cpu", tolerance=tolerance)
    from common.vision.runtimes.cpu_runtimes import OpenVinoRuntime  # an extra

    return OpenVinoRuntime(graph, name=f"{name}-cpu", tolerance=tolerance)


def choose_runtime(model: Model, choice: RuntimeChoice, *, cache_dir: Path) -> Runtime:
    """The chosen runtime; `auto` is PyTorch if there is CUDA, else the fastest on this CPU.

    Raises:
        UsageError: the runtime is not installed.
        ModelError: it cannot compute the model, or does not agree with it.
        DeviceError: PyTorch fails on this device.
    """
    if choice in INT8:
        runtime = open_runtime(choice, model, cache_dir)
        with failures(choice, DeviceError):
            check_agreement(model, runtime)
        return runtime
    pictures = _pictures(model)
    expected = model.probabilities(pictures)
    names = [choice] if choice != "auto" else _candidates()
    candidates = []
    for name in names:
        try:
            runtime = open_runtime(name, model, cache_dir)
            _check(runtime, pictures, expected)
        except EnrichmentError as error:
            if name in (choice, "torch"):
                raise
            log.warning("runtime refused", runtime=name, reason=str(error))
            continue
        candidates.append(runtime)
    return _fastest(candidates, pictures)


def _candidates() -> list[RuntimeName]:
    if pick_device().type == "cuda":
        return ["torch"]
    return [name for name in FLOAT32 if is_installed(name)]


def _pictures(model: Model) -> torch.Tensor:
    """Pictures of the self-test, or the same noise every time if the model has none."""
    if len(model.self_test_pictures):
        return model.self_test_pictures[:SELF_TEST_FEW]
    size = model.description.preprocessing.size
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (RANDOM_PICTURES, 3, size, size), generator=drawn).byte()


def _check(runtime: Runtime, pictures: torch.Tensor, expected: NDArray[np.float32]) -> None:
    """Raises ModelError if the runtime's probabilities differ from the model's."""
    with failures(runtime.name, DeviceError):
        found = runtime.probabilities(pictures)
    difference = float(np.abs(found - expected).max())
    if not difference <= runtime.tolerance:
        raise ModelError(
            f"{runtime.name} does not agree with the model: its probabilities differ by up to "
            f"{difference:.2g} where {runtime.tolerance:g} is allowed."
        )


def _fastest(candidates: list[Runtime], pictures: torch.Tensor) -> Runtime:
    rates = _rates(candidates, pictures) if len(candidates) > 1 else {}
    chosen = max(candidates, key=lambda each: rates.get(each.name, 0.0))
    figures = {name: round(rate, 1) for name, rate in rates.items()}
    log.info("runtime chosen", runtime=chosen.name, pictures_a_second_and_core=figures)
    return chosen


def _rates(candidates: list[Runtime], pictures: torch.Tensor) -> Mapping[str, float]:
    """Pictures per second in one thread: the best of several runs, taken round robin."""
    batch = pictures[torch.arange(MEASURED_PICTURES) % len(pictures)]
    best = {each.name: float("inf") for each in candidates}
    deadline = time.monotonic() + MEASURED_SECONDS
    while time.monotonic() < deadline:
        for each in candidates:
            started = time.perf_counter()
            each.probabilities(batch)
            best[each.name] = min(best[each.name], time.perf_counter() - started)
    return {name: MEASURED_PICTURES / seconds for name, seconds in best.items()}
