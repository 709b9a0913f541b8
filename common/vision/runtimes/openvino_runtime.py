"""OpenVINO on a CPU."""

import threading
from pathlib import Path

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from common.process.cores import cores
from common.vision.runtimes.interface import CPU_BATCH, cpu_streams


class OpenVinoRuntime:
    """OpenVINO on an ONNX file; as many streams as cores, and a request for each thread that asks.

    OpenVINO's own conversion from PyTorch is no choice: it reports to its maker.
    """

    batch_size = CPU_BATCH

    def __init__(self, graph: Path, *, name: str, tolerance: float) -> None:
        self.name = name
        self.tolerance = tolerance
        self.streams = cpu_streams()
        core = openvino.Core()
        self._compiled = core.compile_model(
            core.read_model(graph),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",  # of what the file does not quantise
                "INFERENCE_NUM_THREADS": self.streams,
                "NUM_STREAMS": self.streams,
                "ENABLE_CPU_PINNING": False,  # another worker would pin to the same cores
            },
        )
        self._thread = threading.local()

    def probabilities(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """uint8 pictures (n, 3, size, size) to float32 (n, classes)."""
        if not hasattr(self._thread, "request"):
            self._thread.request = self._compiled.create_infer_request()
        with cores.turn():
            (probabilities,) = self._thread.request.infer([batch.numpy()]).values()
        return np.array(probabilities)  # the request will write over its own
