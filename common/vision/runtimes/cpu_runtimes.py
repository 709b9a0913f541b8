"""ONNX Runtime and OpenVINO on a CPU."""

import threading
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
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
        """See `Runtime`."""
        with cores.turn():
            (rows,) = self._session.run(None, {PICTURES: batch.numpy()})
        return rows  # type: ignore[no-any-return]


class OpenVinoRuntime:
    """OpenVINO on an ONNX file, with as many streams as cores and a request per calling thread.

    OpenVINO's own conversion from PyTorch is not used, since it sends telemetry.
    """

    name = "openvino-cpu"
    batch_size = CPU_BATCH
    device = torch.device("cpu")
    tolerance = FLOAT32_TOLERANCE

    def __init__(self, graph: Path) -> None:
        self.streams = cpu_streams()
        core = openvino.Core()
        self._compiled = core.compile_model(
            core.read_model(graph),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": self.streams,
                "NUM_STREAMS": self.streams,
                "ENABLE_CPU_PINNING": False,  # other workers would pin to the same cores
            },
        )
        self._thread = threading.local()

    def rows(self, batch: torch.Tensor) -> Rows:
        """See `Runtime`."""
        if not hasattr(self._thread, "request"):
            self._thread.request = self._compiled.create_infer_request()
        with cores.turn():
            (rows,) = self._thread.request.infer([batch.numpy()]).values()
        return np.array(rows)  # the request reuses its memory
