"""Int8: a model in 8-bit integers, as ONNX.

The weights of each channel and the outputs of each layer are rounded to 256 steps. The calibration
pictures of the bundle give the range of the outputs. The first layers stay in float32, since all
later layers depend on their few channels. The file is cached as an export is. Whether it decides
as the model does is for `agreement` to say.
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
from common.vision.runtimes.onnx_export import GRAPH, PICTURES, exported, kept
from common.vision.served import Served

CALIBRATION_BATCH = 8  # pictures

# Share of 1,500 unseen pictures whose most probable concept a MobileNetV2 changed: 3.2 % with
# all layers in int8 (3.3 % with NNCF), 2.4 % with two layers in float32, 0.4 % with five or eight.
FLOAT_LAYERS = 5
_LAYERS = ("Conv", "Gemm", "MatMul")
# Operations between layers; in float32 they would convert to and fro between the formats.
_BETWEEN = ("Add", "AveragePool", "Clip", "Concat", "GlobalAveragePool", "MaxPool", "Relu")
log = structlog.get_logger()


class _Calibration:
    """The pictures in the form that ONNX Runtime reads."""

    def __init__(self, pictures: torch.Tensor) -> None:
        self._batches: Iterator[torch.Tensor] = iter(torch.split(pictures, CALIBRATION_BATCH))

    def get_next(self) -> dict[str, object] | None:
        """The next batch; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {PICTURES: batch.numpy()}


def quantised(served: Served, cache_dir: Path) -> Path:
    """The ONNX file of the model in int8, from the cache or made now.

    Raises:
        ModelError: the bundle has no calibration pictures, or PyTorch cannot export the model.
        EnrichmentError: `cache_dir` cannot be written.
    """
    if not len(served.calibration):
        raise ModelError(
            "The model has no pictures to calibrate int8: it was promoted by an older version, or "
            "without its pictures. Promote it again, or set WORKER_RUNTIME=auto."
        )
    source = exported(served, cache_dir)
    bits = 7 if _products_overflow() else 8
    made = f"onnxruntime-{onnxruntime.__version__}-int{bits}-after-{FLOAT_LAYERS}"

    def quantise(graph: Path) -> None:
        log.info("quantising the model, once", pictures=len(served.calibration))
        _quantise(source, graph, served.calibration, bits=bits)

    return kept(cache_dir / f"{source.parent.name}-{made}", quantise) / GRAPH


def _products_overflow() -> bool:
    """Whether sums of 8-bit products may overflow on this processor: x86 without VNNI."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    processor = Path("/proc/cpuinfo")
    return not processor.exists() or "vnni" not in processor.read_text()


def _quantise(source: Path, target: Path, pictures: torch.Tensor, *, bits: int) -> None:
    graph = onnx.load(source)
    add_pre_process_metadata(graph)  # so that ONNX Runtime skips its own preparation
    quantize_static(
        graph,
        target,
        _Calibration(pictures),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=[*_LAYERS, *_BETWEEN],
        nodes_to_exclude=[*_first_layers(graph), *_last(graph)],
        per_channel=True,
        reduce_range=bits == 7,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _last(graph: onnx.ModelProto) -> list[str]:
    """The name of the node that gives the rows, whose numbers nothing computes with any more.

    Probabilities that are joined with features would get the steps of both.
    """
    outputs = {each.name for each in graph.graph.output}
    return [node.name for node in graph.graph.node if outputs & set(node.output)]


def _first_layers(graph: onnx.ModelProto) -> list[str]:
    """The names of the layers that have fewer than `FLOAT_LAYERS` layers before them, all their
    ways from the input considered; each member of an ensemble has its own."""
    before: dict[str, int] = {}  # layers, of each value
    first = []
    for node in graph.graph.node:
        depth = max((before.get(name, 0) for name in node.input), default=0)
        if node.op_type in _LAYERS:
            if depth < FLOAT_LAYERS:
                first.append(node.name)
            depth += 1
        before |= dict.fromkeys(node.output, depth)
    return first
