"""A model as one network in ONNX: from uint8 pictures to probabilities and likeness.

The heads and the likeness compute as `heads` and `likeness` do, on embeddings of float16, in
float64. So only the network's own rounding may differ between runtimes.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from common.errors import ModelError, UsageError
from common.vision.answers.likeness import NEIGHBOURS
from common.vision.model import SELF_TEST_TOLERANCE, Model
from common.vision.runtimes.onnx_export import PICTURES, fused

PROBABILITIES, LIKENESS_ROWS = "probabilities", "likeness"
ONE_FILE = 1 << 30  # bytes of weights; a protobuf holds no more than 2 GB
TESTED = 32  # pictures, at most


class WholeNetwork(nn.Module):
    """uint8 pictures (n, 3, size, size) to probabilities (n, classes) and cosines (n,), which are 1
    if the model never abstains.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        described, heads, likeness = model.description, model.answering.heads, model.answering
        self.network = fused(model.served.network)
        self._classes = None if heads else len(described.labels)
        self._is_single, self._temperature = described.kind == "single", described.temperature
        for number, head in enumerate(heads.heads if heads else ()):
            self.register_buffer(f"weights_{number}", torch.from_numpy(head.weights.T.copy()))
            self.register_buffer(f"bias_{number}", torch.from_numpy(head.bias.copy()))
        self._heads = len(heads.heads) if heads else 0
        references = likeness.likeness.references if likeness.likeness else None
        self._abstains = references is not None
        if references is not None:
            transposed = np.ascontiguousarray(references.T.astype(np.float64))
            self.register_buffer("references", torch.from_numpy(transposed))

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.network(pictures)
        features = rows if self._classes is None else rows[:, self._classes :]
        halves = functional.normalize(features.double(), dim=1).half().double()
        found = rows[:, : self._classes] if self._classes else self._by_heads(halves)
        if not self._abstains:
            return found, torch.ones_like(found[:, 0])
        cosines = halves @ self.get_buffer("references")
        return found, cosines.topk(NEIGHBOURS, dim=1).values[:, -1]

    def _by_heads(self, halves: torch.Tensor) -> torch.Tensor:
        answers = []
        for number in range(self._heads):
            weights, bias = self.get_buffer(f"weights_{number}"), self.get_buffer(f"bias_{number}")
            scaled = (halves @ weights + bias).float().double() / self._temperature
            answers.append(scaled.softmax(1) if self._is_single else scaled.sigmoid())
        return torch.stack(answers).mean(0).float()


def write_network(model: Model, path: Path) -> list[Path]:
    """Write a model as ONNX, and compare it with the model. Returns the files.

    Raises:
        ModelError: PyTorch cannot export the network, or it gives other answers.
        UsageError: ONNX is not installed.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - what exports
    except ImportError as error:
        raise UsageError("Sharing needs ONNX: install this project's extra `onnx`.") from error
    whole = WholeNetwork(model).eval()
    size = model.description.preprocessing.size
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of torch about torch
            program = torch.onnx.export(
                whole,
                (torch.zeros((2, 3, size, size), dtype=torch.uint8),),
                input_names=[PICTURES],
                output_names=[PROBABILITIES, LIKENESS_ROWS],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"PyTorch cannot export the model to ONNX: {reason}") from error
    assert program is not None
    weights = sum(each.nbytes for each in whole.state_dict().values())
    program.save(path, external_data=weights > ONE_FILE)
    _compare(model, onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]))
    return sorted(path.parent.glob(f"{path.name}*"))


def _compare(model: Model, session: "object") -> None:
    size, pictures = model.description.preprocessing.size, model.self_test_pictures[:TESTED]
    if not len(pictures):
        drawn = torch.Generator().manual_seed(0)
        pictures = torch.randint(0, 256, (2, 3, size, size), generator=drawn).byte()
    found, _ = session.run(None, {PICTURES: pictures.numpy()})  # type: ignore[attr-defined]
    difference = float(np.abs(found - model.probabilities(pictures)).max())
    if not difference <= SELF_TEST_TOLERANCE:
        raise ModelError(
            "The model was not exported. As ONNX, its probabilities differ by up to "
            f"{difference:.2g}."
        )
