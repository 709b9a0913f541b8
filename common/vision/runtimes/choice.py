"""Which runtime a model is served by: the fastest that says what the model says."""

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from common.errors import EnrichmentError, ModelError, UsageError
from common.vision.model import Model
from common.vision.runtimes.interface import Runtime
from common.vision.runtimes.torch_runtime import TorchRuntime, pick_device

RuntimeChoice = Literal["auto", "torch", "onnx", "openvino"]

MEASURED_SECONDS = 1.5  # for all candidates together
MEASURED_PICTURES = 8  # in a batch
RANDOM_PICTURES = 8  # to compare by, where a model has no self-test

_PACKAGES: dict[RuntimeChoice, tuple[str, ...]] = {
    "onnx": ("onnxruntime", "onnxscript"),
    "openvino": ("openvino", "onnxscript"),
}

log = structlog.get_logger()


def choose_runtime(model: Model, choice: RuntimeChoice, *, cache_dir: Path) -> Runtime:
    """The runtime asked for; `auto` is PyTorch where there is CUDA, else the fastest on this CPU.

    Raises:
        UsageError: the runtime asked for is not installed.
        ModelError: it does not agree with the model, or nothing here does.
    """
    pictures = _pictures(model)
    expected = model.probabilities(pictures)
    names: list[RuntimeChoice] = [choice] if choice != "auto" else _candidates()
    candidates = []
    for name in names:
        try:
            runtime = _open(name, model, cache_dir)
            _check(runtime, pictures, expected)
        except EnrichmentError as error:
            if name in (choice, "torch"):
                raise
            log.warning("runtime refused", runtime=name, reason=str(error))
            continue
        candidates.append(runtime)
    return _fastest(candidates, pictures)


def _candidates() -> list[RuntimeChoice]:
    if pick_device().type == "cuda":
        return ["torch"]
    return ["torch", *(name for name in _PACKAGES if _is_there(name))]


def _is_there(name: RuntimeChoice) -> bool:
    return all(find_spec(package) is not None for package in _PACKAGES.get(name, ()))


def _open(name: RuntimeChoice, model: Model, cache_dir: Path) -> Runtime:
    if not _is_there(name):
        raise UsageError(f"The runtime {name} is not installed: pip install '.[worker,{name}]'.")
    if name == "onnx":
        from common.vision.runtimes.onnx_runtime import OnnxRuntime  # noqa: PLC0415 - an extra

        return OnnxRuntime(model, cache_dir)
    if name == "openvino":
        from common.vision.runtimes.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415

        return OpenVinoRuntime(model, cache_dir)
    return TorchRuntime(model)


def _pictures(model: Model) -> torch.Tensor:
    """Those of the self-test; noise, always the same, where the model has none."""
    if len(model.self_test_pictures):
        return model.self_test_pictures
    size = model.description.preprocessing.size
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (RANDOM_PICTURES, 3, size, size), generator=drawn).byte()


def _check(runtime: Runtime, pictures: torch.Tensor, expected: NDArray[np.float32]) -> None:
    """Raises ModelError where the runtime does not say what the model says."""
    difference = float(np.abs(runtime.probabilities(pictures) - expected).max())
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
    """Pictures a second in one thread: the best of several turns, taken round robin."""
    batch = pictures[torch.arange(MEASURED_PICTURES) % len(pictures)]
    best = {each.name: float("inf") for each in candidates}
    deadline = time.monotonic() + MEASURED_SECONDS
    while time.monotonic() < deadline:
        for each in candidates:
            started = time.perf_counter()
            each.probabilities(batch)
            best[each.name] = min(best[each.name], time.perf_counter() - started)
    return {name: MEASURED_PICTURES / seconds for name, seconds in best.items()}
