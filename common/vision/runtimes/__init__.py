"""Runtimes: they compute a model's probabilities, behind one small interface.

PyTorch is always installed and is the reference. OpenVINO and ONNX Runtime, if they are installed,
classify up to twice as fast on a CPU; `choose_runtime` measures them and takes the fastest.
"""

from common.vision.runtimes.choice import RuntimeChoice, choose_runtime, fastest_runtime
from common.vision.runtimes.interface import Runtime
from common.vision.runtimes.torch_runtime import TorchRuntime

__all__ = ["Runtime", "RuntimeChoice", "TorchRuntime", "choose_runtime", "fastest_runtime"]
