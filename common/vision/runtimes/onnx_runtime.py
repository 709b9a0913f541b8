"""ONNX Runtime on a CPU."""

from pathlib import Path

import onnxruntime
import torch

from common.process.cores import cores
from common.vision.runtimes.interface import CPU_BATCH, FLOAT32_TOLERANCE, cpu_streams
from common.vision.runtimes.onnx_export import PICTURES
from common.vision.served import Rows


class OnnxRuntime:
    """ONNX Runtime on an ONNX file; each calling thread computes on its own core."""

    name = "onnx-cpu"
    batch_size = CPU_BATCH
    device = torch.device("cpu")
    tolerance = FLOAT32_TOLERANCE

    def __init__(self, graph: Path) -> None:
        self.streams = cpu_streams()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def rows(self, batch: torch.Tensor) -> Rows:
        with cores.turn():
            (rows,) = self._session.run(None, {PICTURES: batch.numpy()})
        return rows  # type: ignore[no-any-return]
