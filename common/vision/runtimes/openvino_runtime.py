"""OpenVINO on a CPU."""

import threading
from pathlib import Path

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from common.vision.model import Model
from common.vision.runtimes.export import exported
from common.vision.runtimes.interface import CPU_BATCH, FLOAT32_TOLERANCE, cpu_streams


class OpenVinoRuntime:
    """OpenVINO, float32; as many streams as cores, and a request for each thread that asks.

    It reads the ONNX file: OpenVINO's own conversion from PyTorch reports to its maker.
    """

    name = "openvino-cpu"
    batch_size = CPU_BATCH
    tolerance = FLOAT32_TOLERANCE

    def __init__(self, model: Model, cache_dir: Path) -> None:
        self.streams = cpu_streams()
        core = openvino.Core()
        self._compiled = core.compile_model(
            core.read_model(exported(model, cache_dir)),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": self.streams,
                "NUM_STREAMS": self.streams,
            },
        )
        self._thread = threading.local()

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """uint8 pictures (n, 3, size, size) to float32 (n, classes)."""
        if not hasattr(self._thread, "request"):
            self._thread.request = self._compiled.create_infer_request()
        (probabilities,) = self._thread.request.infer([batch.numpy()]).values()
        return np.array(probabilities)  # the request will write over its own
