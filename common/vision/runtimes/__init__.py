"""Runtimes: they compute a model's probabilities, behind one small interface.

PyTorch is always installed and is the reference. ONNX Runtime, if it is installed, takes a third to
five sixths of its time on a CPU; `choose_runtime` measures both and takes the faster.
"""

from common.vision.runtimes.choice import RuntimeChoice, choose_runtime, fastest_runtime
from common.vision.runtimes.interface import Runtime
from common.vision.runtimes.torch_runtime import TorchRuntime

__all__ = ["Runtime", "RuntimeChoice", "TorchRuntime", "choose_runtime", "fastest_runtime"]
