"""Runtimes: what computes a model's probabilities, behind one small interface.

PyTorch is always there and is the reference. OpenVINO and ONNX Runtime, where they are installed,
classify up to twice as fast on a CPU; `choose_runtime` measures and picks. In int8 they are faster
again, and less exact: on request only.
"""

from common.vision.runtimes.choice import RuntimeChoice, choose_runtime
from common.vision.runtimes.interface import Runtime
from common.vision.runtimes.torch_runtime import TorchRuntime

__all__ = ["Runtime", "RuntimeChoice", "TorchRuntime", "choose_runtime"]
