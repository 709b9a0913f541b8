"""The runtimes by name: which are installed, and how each is opened."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from common.errors import DeviceError, EnrichmentError, ModelError, UsageError
from common.vision.model import Model
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
    "openvino-int8": ("onnx", "openvino"),  # OpenVINO reads what ONNX Runtime has quantised
}
_PACKAGES = {"onnx": ("onnxruntime", "onnxscript"), "openvino": ("openvino", "onnxscript")}


def is_installed(name: RuntimeName) -> bool:
    """Whether the packages of a runtime are there."""
    packages = [package for extra in _EXTRAS[name] for package in _PACKAGES[extra]]
    return all(find_spec(package) is not None for package in packages)


def open_runtime(name: RuntimeName, model: Model, cache_dir: Path) -> Runtime:
    """A runtime that is ready to compute the model.

    Raises:
        UsageError: it is not installed.
        ModelError: it cannot compute this model.
        DeviceError: PyTorch cannot compute here.
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
    """Keep ONNX Runtime and OpenVINO, imported after this, from reporting to their makers."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # OpenVINO has a stub


@contextmanager
def failures(name: str, kind: type[EnrichmentError]) -> Iterator[None]:
    """Whatever goes wrong in a runtime is an error of this kind, if it is none of ours."""
    try:
        yield
    except EnrichmentError:
        raise
    except Exception as error:  # noqa: BLE001 - runtimes raise what their makers like
        raise kind(f"The runtime {name} failed: {type(error).__name__}: {error}") from error


def _open_on_cpu(name: RuntimeName, model: Model, cache_dir: Path) -> Runtime:
    """ONNX Runtime or OpenVINO; either reads the same file, which is in float32 or in int8."""
    silence_telemetry()
    if name in INT8:
        from common.vision.runtimes.int8 import quantised  # noqa: PLC0415 - an extra

        graph, tolerance = quantised(model, cache_dir), INT8_TOLERANCE
    else:
        graph, tolerance = exported(model, cache_dir), FLOAT32_TOLERANCE
    if name.startswith("onnx"):
        from common.vision.runtimes.cpu_runtimes import OnnxRuntime  # noqa: PLC0415 - an extra

        return OnnxRuntime(graph, name=f"{name}-cpu", tolerance=tolerance)
    from common.vision.runtimes.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415 - an extra

    return OpenVinoRuntime(graph, name=f"{name}-cpu", tolerance=tolerance)
