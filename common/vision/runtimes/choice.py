"""The choice of the runtime: the faster one that agrees with the model."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import structlog
import torch

from common.errors import DeviceError, EnrichmentError, ModelError, UsageError
from common.vision.model import SELF_TEST_TOLERANCE, Model
from common.vision.runtimes.agreement import check_float16
from common.vision.runtimes.devices import pick_device
from common.vision.runtimes.interface import FLOAT16_TOLERANCE, Runtime
from common.vision.runtimes.onnx_export import exported
from common.vision.runtimes.torch_runtime import TorchRuntime
from common.vision.served import Rows, Served

RuntimeName = Literal["torch", "onnx"]
ONNX_PACKAGES = ("onnxruntime", "onnxscript")  # an extra
RuntimeChoice = Literal["auto"] | RuntimeName
MEASURED_SECONDS = 1.5  # for both together
MEASURED_PICTURES = 8  # in a batch
FEW_EXAMPLES = 64  # pictures, at most, of the comparison
RANDOM_PICTURES = 8  # of the comparison, if there are no examples
EXPORTS = ".exports"  # folder in MODEL_DIR, unless a worker has another
log = structlog.get_logger()


def has_onnx() -> bool:
    return all(find_spec(package) is not None for package in ONNX_PACKAGES)


def open_runtime(
    name: RuntimeName, served: Served, cache_dir: Path, device: torch.device
) -> Runtime:
    """A runtime for the network; `device` is PyTorch's, ONNX Runtime computes on the CPU.

    Raises:
        UsageError: it is not installed.
        ModelError: it cannot compute this network.
        DeviceError: PyTorch fails on this device.
    """
    if name == "torch":
        with failures(name, DeviceError):
            return TorchRuntime(served, device)
    if not has_onnx():
        raise UsageError("The runtime onnx is not installed: pip install '.[worker,onnx]'.")
    with failures(name, ModelError):
        return _open_onnx(served, cache_dir)


def silence_telemetry() -> None:
    """Switch off the telemetry of ONNX Runtime; call it before importing it."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@contextmanager
def failures(name: str, kind: type[EnrichmentError]) -> Iterator[None]:
    try:
        yield
    except EnrichmentError:
        raise
    except Exception as error:  # runtimes raise errors of any type
        raise kind(f"The runtime {name} failed: {type(error).__name__}: {error}") from error


def _open_onnx(served: Served, cache_dir: Path) -> Runtime:
    silence_telemetry()
    graph = exported(served, cache_dir)
    from common.vision.runtimes.onnx_runtime import OnnxRuntime  # an extra

    return OnnxRuntime(graph)


def choose_runtime(
    model: Model, choice: RuntimeChoice, *, cache_dir: Path, device: torch.device | None = None
) -> Runtime:
    """As `fastest_runtime`, for a model; on a card a classifier's float16 has to prove itself.

    Raises:
        UsageError: the runtime is not installed.
        ModelError: it cannot compute the network, or does not agree with it.
        DeviceError: PyTorch fails on this device.
    """
    exact = fastest_runtime(model.served, choice, cache_dir=cache_dir, device=device)
    if not float16_pays(model.served, exact.device):
        return exact
    chosen = in_float16_if_alike(model, exact)
    del exact  # and what it keeps of the card's memory, if it was not chosen
    torch.cuda.empty_cache()
    return chosen


def check_self_test(model: Model, runtime: Runtime) -> None:
    """See `Model.self_test`; float16 may be off float32 here, and that off the promotion's.

    Raises:
        ModelError: a probability differs by more than the runtime may.
        DeviceError: the device fails.
    """

    def compute(pictures: torch.Tensor) -> Rows:
        with failures(runtime.name, DeviceError):
            return runtime.rows(pictures)

    model.self_test(compute, tolerance=SELF_TEST_TOLERANCE + runtime.tolerance)


def float16_pays(served: Served, device: torch.device) -> bool:
    """Whether it may serve and is faster: for a classifier on a card. Embeddings are exact."""
    return device.type == "cuda" and not served.is_exact


def is_float16_refused(served: Served, runtime: Runtime) -> bool:
    """Whether the runtime is in float32 where float16 would be faster."""
    return float16_pays(served, runtime.device) and runtime.tolerance < FLOAT16_TOLERANCE


def in_float16_if_alike(model: Model, exact: Runtime) -> Runtime:
    try:
        with failures("torch in float16", ModelError):
            runtime = TorchRuntime(model.served, exact.device, halves=True)
            check_float16(model, runtime, exact)
            return runtime
    except ModelError as error:
        log.warning("float16 refused, computing in float32", reason=str(error))
        return exact


def fastest_runtime(
    served: Served, choice: RuntimeChoice, *, cache_dir: Path, device: torch.device | None = None
) -> Runtime:
    """The chosen runtime; `auto` is PyTorch on a card, else the faster one on this CPU.

    Raises:
        UsageError: the runtime is not installed.
        ModelError: it cannot compute the network, or does not agree with it.
        DeviceError: PyTorch fails on this device.
    """
    device = device or pick_device()
    pictures = _pictures(served)
    expected = served.rows(pictures)

    def agreeing(name: RuntimeName) -> Runtime:
        runtime = open_runtime(name, served, cache_dir, device)
        _check(runtime, pictures, expected)
        return runtime

    candidates = [agreeing("torch" if choice == "auto" else choice)]
    if choice == "auto" and device.type == "cpu" and has_onnx():
        try:
            candidates.append(agreeing("onnx"))
        except EnrichmentError as error:
            log.warning("runtime refused", runtime="onnx", reason=str(error))
    return _fastest(candidates, pictures)


def _pictures(served: Served) -> torch.Tensor:
    if len(served.examples):
        return served.examples[:FEW_EXAMPLES]
    size = served.size
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (RANDOM_PICTURES, 3, size, size), generator=drawn).byte()


def _check(runtime: Runtime, pictures: torch.Tensor, expected: Rows) -> None:
    with failures(runtime.name, DeviceError):
        found = runtime.rows(pictures)
    difference = float(np.abs(found - expected).max())
    if not difference <= runtime.tolerance:
        raise ModelError(
            f"{runtime.name} does not agree with the model: its numbers differ by up to "
            f"{difference:.2g} but at most {runtime.tolerance:g} is allowed."
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
            each.rows(batch)
            best[each.name] = min(best[each.name], time.perf_counter() - started)
    return {name: MEASURED_PICTURES / seconds for name, seconds in best.items()}
