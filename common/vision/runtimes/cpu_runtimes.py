"""ONNX Runtime on a CPU."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from common.process.cores import cores
from common.vision.runtimes.interface import CPU_BATCH, cpu_streams
from common.vision.runtimes.onnx_export import PICTURES


class OnnxRuntime:
    """ONNX Runtime on an ONNX file; each thread that asks computes on its own core."""

    batch_size = CPU_BATCH

    def __init__(self, graph: Path, *, name: str, tolerance: float) -> None:
        self.name = name
        self.tolerance = tolerance
        self.streams = cpu_streams()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """uint8 pictures (n, 3, size, size) to float32 (n, classes)."""
        with cores.turn():
            (probabilities,) = self._session.run(None, {PICTURES: batch.numpy()})
        return probabilities  # type: ignore[no-any-return]
