"""A model in 8-bit integers, as ONNX: its export, quantised.

The weights of each channel, and each layer's output, are laid on 256 steps; how far the outputs
reach, the calibration pictures of the bundle tell. A file lasts as an export does.
"""

import platform
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxruntime
import structlog
import torch
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from common.errors import ModelError
from common.vision.model import Model
from common.vision.runtimes.export import GRAPH, PICTURES, exported, kept

CALIBRATION_BATCH = 8  # pictures

# Those that weigh, and those between them that would else go to and fro between the number formats.
_OPERATORS = [
    *("Conv", "Gemm", "MatMul"),
    *("Add", "AveragePool", "Clip", "Concat", "GlobalAveragePool", "MaxPool", "Relu"),
]

log = structlog.get_logger()


class _Calibration:
    """The pictures as ONNX Runtime asks for them."""

    def __init__(self, pictures: torch.Tensor) -> None:
        self._batches: Iterator[torch.Tensor] = iter(torch.split(pictures, CALIBRATION_BATCH))

    def get_next(self) -> dict[str, object] | None:
        """The next batch; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {PICTURES: batch.numpy()}


def quantised(model: Model, cache_dir: Path) -> Path:
    """The ONNX file of the model in int8, made now unless it was made before.

    Raises:
        ModelError: the bundle has no pictures to calibrate by, or PyTorch cannot export the model.
        EnrichmentError: `cache_dir` cannot be written.
    """
    if not len(model.calibration_pictures):
        raise ModelError(
            "The model has no pictures to calibrate int8 by: it was promoted by an older version, "
            "or without its pictures. Promote it again, or set WORKER_RUNTIME=auto."
        )
    source = exported(model, cache_dir)
    bits = 7 if _products_overflow() else 8
    name = f"{source.parent.name}-onnxruntime-{onnxruntime.__version__}-int{bits}"

    def quantise(graph: Path) -> None:
        log.info("quantising the model, once", pictures=len(model.calibration_pictures))
        _quantise(source, graph, model.calibration_pictures, bits=bits)

    return kept(cache_dir / name, quantise) / GRAPH


def _products_overflow() -> bool:
    """Whether sums of 8-bit products may overflow on this processor: x86 without VNNI."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    processor = Path("/proc/cpuinfo")
    return not processor.exists() or "vnni" not in processor.read_text()


def _quantise(source: Path, target: Path, pictures: torch.Tensor, *, bits: int) -> None:
    graph = onnx.load(source)
    add_pre_process_metadata(graph)  # an export is as ONNX Runtime's own preparation would leave it
    quantize_static(
        graph,
        target,
        _Calibration(pictures),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_OPERATORS,
        per_channel=True,
        reduce_range=bits == 7,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
