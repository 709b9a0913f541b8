"""ONNX Runtime on a CPU."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from common.vision.model import Model
from common.vision.runtimes.export import PICTURES, exported
from common.vision.runtimes.interface import CPU_BATCH, FLOAT32_TOLERANCE, cpu_streams


class OnnxRuntime:
    """ONNX Runtime, float32; each thread that asks computes on its own core."""

    name = "onnx-cpu"
    batch_size = CPU_BATCH
    tolerance = FLOAT32_TOLERANCE

    def __init__(self, model: Model, cache_dir: Path) -> None:
        self.streams = cpu_streams()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            exported(model, cache_dir), options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """uint8 pictures (n, 3, size, size) to float32 (n, classes)."""
        (probabilities,) = self._session.run(None, {PICTURES: batch.numpy()})
        return probabilities  # type: ignore[no-any-return]
